"""Transformer steps with post-normalization, compared with PyTorch's layers."""

import copy

import torch
from torch.nn import functional as F

from colorzoo.networks.attention import AttentionStep, FeedStep


def test_attention_and_feed_steps_apply_residual_and_layer_norm() -> None:
    for dropout in [0.0, 0.4]:
        for training in [False, True]:
            step = AttentionStep(16, dropout).train(training)
            theirs = copy.deepcopy(step.attention)
            theirs.dropout = dropout  # dropout of the attention weights
            state, query, key, value = (torch.randn(2, count, 16) for count in (5, 5, 7, 7))
            torch.manual_seed(1)
            found = step(state, query, key, value)
            torch.manual_seed(1)
            added = F.dropout(
                theirs(query, key, value, need_weights=False)[0].contiguous(), dropout, training
            )
            torch.testing.assert_close(found, F.layer_norm(state + added, (16,)), rtol=1e-4, atol=1e-5)
            feed = FeedStep(16, 24, dropout).train(training)
            torch.manual_seed(1)
            found = feed(state)
            torch.manual_seed(1)
            between = F.dropout(feed.linear1(state).relu(), dropout, training)
            added = F.dropout(feed.linear2(between), dropout, training)
            torch.testing.assert_close(found, F.layer_norm(state + added, (16,)), rtol=1e-4, atol=1e-5)
