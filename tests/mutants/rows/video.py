"""Video: the named numbers of stabilization, cuts, exposure and planes, and features switched off."""

from mutation import mutants_in

ROWS = {
    "steady": (
        ("most-strength", "_MAX_STRENGTH = 0.98", "_MAX_STRENGTH = 0.9"),
        ("flow-error", "_FLOW_ERROR = 2.0", "_FLOW_ERROR = 3.0"),
        ("lightness-error", "_LIGHTNESS_ERROR = 16.0", "_LIGHTNESS_ERROR = 24.0"),
        ("ahead", "ahead: int = 12", "ahead: int = 6"),
        ("block", "block: int = 24", "block: int = 12"),
        ("trust-outside", "return inside * torch.exp(", "return torch.exp("),
        ("outside-by-halves", "> 0.999).float()", "> 0.5).float()"),
        ("flow-disagreement-ignored", "-flow_error / (2", "-0 * flow_error / (2"),
        ("lightness-ignored", "- lightness_error / (2", "- 0 * lightness_error / (2"),
        ("reverse-flow-not-warped", "flow + warp(reverse, flow)", "flow + reverse"),
        ("trust-ignored", "strength * self.trust *", "strength *"),
        ("neighbor-not-moved", "warp(neighbor, self.flow)", "neighbor"),
        ("nothing-held-forward", "blended = ab if fixed else", "blended = ab if True else"),
        ("nothing-held-backward", "if motion is not None and following", "if False and following"),
        ("key-frames-not-fixed", "following is not None and not fixed:", "following is not None:"),
        ("forward-alone", "(forward + backward) / 2", "forward"),
        ("shots-joined", "        self._last = None\n        return rest", "        return rest"),
        ("gray-of-ten", "* 2.55).round()", "* 25.5).round()"),
        ("tiny-pictures", "if min(first.shape) < 16:", "if min(first.shape) < 17:"),
    ),
    "shots": (
        ("least-change", "_MIN_CHANGE = 0.2", "_MIN_CHANGE = 0.1"),
        ("more-change", "_MIN_CHANGE = 0.2", "_MIN_CHANGE = 0.3"),
        ("most-correlation", "_MAX_CORRELATION = 0.6", "_MAX_CORRELATION = 0.8"),
        ("less-correlation", "_MAX_CORRELATION = 0.6", "_MAX_CORRELATION = 0.4"),
        ("bins", "_BINS = 32", "_BINS = 4"),
        ("not-smoothed", "(0.25, 0.5, 0.25)", "(0.0, 1.0, 0.0)"),
        (
            "one-histogram",
            "for top in (0, rows) for left in (0, columns)",
            "for top in (0, 0) for left in (0, 0)",
        ),
        ("correlation-ignored", "and _correlation(last, small)", "and 0 * _correlation(last, small)"),
        ("change-ignored", "_change(last, small) > _MIN_CHANGE and", "True and"),
        ("mean-not-subtracted", "first - first.mean(), second - second.mean()", "first, second"),
        ("size", "_SIZE = (64, 36)", "_SIZE = (6, 4)"),
    ),
    "exposure": (
        ("side", "_SIDE = 48", "_SIDE = 1"),
        ("black", "_BLACK = 16.0", "_BLACK = 8.0"),
        ("least-factor", "_LEAST, _MOST = 0.7, 1.45", "_LEAST, _MOST = 0.8, 1.45"),
        ("most-factor", "_LEAST, _MOST = 0.7, 1.45", "_LEAST, _MOST = 0.7, 1.3"),
        ("black-counts", "_USABLE = (4.0, 96.0)", "_USABLE = (2.0, 96.0)"),
        ("burnt-out-counts", "_USABLE = (4.0, 96.0)", "_USABLE = (4.0, 98.0)"),
        ("changes-never-return", "    0.06  #", "    0.0  #"),
        ("changes-return-at-once", "    0.06  #", "    0.12  #"),
        ("mean-for-median", "torch.median(ratio)", "torch.mean(ratio)"),
        ("nothing-held", "factor = _factor(small, self._last) ** (1 - _RETURN)", "factor = 1.0"),
    ),
    "planes": (
        ("hd-height", "_HD_HEIGHT = 720", "_HD_HEIGHT = 721"),
        ("gray-chroma", "_MAX_GRAY_CHROMA = 1.5", "_MAX_GRAY_CHROMA = 3.0"),
        ("less-gray-chroma", "_MAX_GRAY_CHROMA = 1.5", "_MAX_GRAY_CHROMA = 0.75"),
        ("bt709", "BT709, SMPTE170M, BT2020 = 1", "BT709, SMPTE170M, BT2020 = 4"),
        ("smpte170m", "BT2020 = 1, 6", "BT2020 = 1, 7"),
        ("full-range", "FULL_RANGE = 2", "FULL_RANGE = 1"),
        ("weights", "BT709: (0.2126, 0.0722)", "BT709: (0.2627, 0.0722)"),
    ),
    "encoding": (
        ("crf-h264", '"h264": 16', '"h264": 26'),
        ("untagged", "_UNTAGGED = 2", "_UNTAGGED = 3"),
    ),
    "colorer": (
        ("aspect", "_ASPECT_TOLERANCE = 0.02", "_ASPECT_TOLERANCE = 0.01"),
        ("more-aspect", "_ASPECT_TOLERANCE = 0.02", "_ASPECT_TOLERANCE = 0.03"),
    ),
    "frames": (
        ("listed", "_LISTED = 5", "_LISTED = 4"),
        ("more-listed", "_LISTED = 5", "_LISTED = 6"),
    ),
}
STEADY = {
    "test_trust_needs_agreement_of_the_flows_and_of_the_lightness_inside_the_picture": (
        *("flow-error", "lightness-error", "trust-outside", "outside-by-halves", "flow-disagreement-ignored"),
        *("lightness-ignored", "reverse-flow-not-warped"),
    ),
    "test_colors_are_the_mean_of_a_hold_forward_and_one_backward": (
        *("most-strength", "nothing-held-forward", "nothing-held-backward", "forward-alone"),
    ),
    "test_24_frames_come_at_once_when_12_more_are_known": ("ahead", "block"),
    "test_a_blend_takes_the_neighbors_color_as_far_as_it_is_trusted": ("trust-ignored", "neighbor-not-moved"),
    "test_key_frames_stay_and_influence_the_others": ("key-frames-not-fixed",),
    "test_a_new_shot_owes_nothing_to_the_one_before": ("shots-joined",),
    "test_motion_is_seen_in_shadows_and_lights": ("gray-of-ten",),
    "test_pictures_smaller_than_a_patch_have_no_motion": ("tiny-pictures",),
}
TESTS = {
    **{
        f"steady-{name}": (f"video/test_video_steady.py::{test}",)
        for test, names in STEADY.items()
        for name in names
    },
    **{module: (f"video/test_video_{module}.py",) for module in ROWS},
    "encoding": ("video/test_video_file.py",),
    "planes-full-range": ("video/test_video_file.py::test_depth_tags_and_every_lightness_sample_stay",),
    "frames": ("video/test_video_file.py::test_a_note_lists_five_broken_frames",),
    "colorer": ("video/test_video_colorer.py::test_a_key_frame_has_the_shape_of_its_frame_to_two_percent",),
}

MUTANTS = mutants_in("video", ROWS, TESTS)
