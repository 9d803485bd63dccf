"""The image grid: what it shows, where it goes, and that no logger can stop it."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from harness import small_data, small_model, small_trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from PIL import Image

from colorzoo.guidance import Guidance, Points
from colorzoo.training.callbacks import ImageGrid
from colorzoo.training.callbacks.image_grid import draw_grid, grid_columns, hint_image


class DeadLogger(CSVLogger):
    def log_image(self, *args, **kwargs):
        raise ConnectionError("no route to host")


def grid_run(images, folder, *loggers, callbacks=(), **options):
    trainer = small_trainer(folder, *callbacks, ImageGrid(count=3), logger=list(loggers), max_epochs=1,
                            enable_checkpointing=False, **options)  # fmt: skip
    trainer.fit(small_model(), small_data(images))
    return trainer


def test_loggers_that_show_images_get_them_and_dead_ones_stop_nothing(images, tmp_path):
    board = TensorBoardLogger(tmp_path / "board")
    csv, dead = CSVLogger(tmp_path / "csv"), DeadLogger(tmp_path / "dead")
    with pytest.warns(UserWarning, match="DeadLogger did not log"):
        grid_run(images, tmp_path, csv, dead, board, val_check_interval=1)
    saved = sorted((tmp_path / "csv").rglob("images/*.png"))
    assert [path.stem for path in saved] == ["step-0000001", "step-0000002", "step-0000003"]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(board.log_dir)
    events.Reload()
    assert len(events.Images("val/images")) == 3


def test_the_table_shows_the_model_that_is_validated(images, tmp_path):
    averaging = EMAWeightAveraging(decay=0.5)
    trainer = grid_run(images, tmp_path, CSVLogger(tmp_path), callbacks=[averaging])
    model = trainer.lightning_module  # at the end of fit it holds the average
    data = trainer.datamodule
    batches = [data.on_after_batch_transfer(batch, 0) for batch in data.val_dataloader()][:2]
    rgb, seeds = (torch.cat([batch[key] for batch in batches])[:3] for key in ("rgb", "seed"))
    expected = draw_grid(grid_columns(model.eval(), {"rgb": rgb, "seed": seeds, "name": ["", "", ""]}))
    with Image.open(next(tmp_path.rglob("step-0000003.png"))) as made:
        assert np.array_equal(np.asarray(made), np.asarray(expected))


def test_guidance_of_the_batch_is_that_of_each_image_shown(images, tmp_path):
    """The grid joins and shrinks batches; boxes must be joined and shrunk with their images."""
    seen = []

    def guidances(batch, lab):
        seen.append(batch)
        return [("automatic", Guidance())]

    grid, trainer = ImageGrid(count=3, max_side=16), small_trainer(tmp_path)
    model = small_model().eval()
    model.validation_guidances = guidances
    grid.setup(trainer, model, "fit")
    trainer.strategy.connect(model)
    trainer.fit_loop.epoch_loop.val_loop._max_batches = [2]
    grid.on_validation_epoch_start(trainer, model)
    for index in range(2):
        boxes = [torch.tensor([[0.0, 8.0, 32.0, 16.0]]) + 2 * place for place in (index, index + 1)]
        batch = {
            "rgb": torch.rand(2, 3, 32, 32),
            "seed": torch.tensor([1, 2]),
            "name": ["a", "b"],
            "boxes": boxes,
        }
        grid.on_validation_batch_end(trainer, model, None, batch, index)
    (shown,) = seen
    assert shown["rgb"].shape == (3, 3, 16, 16)
    assert torch.cat(shown["boxes"])[:, 0].tolist() == [0, 1, 1]
    assert shown["boxes"][0].tolist() == [[0, 4, 16, 8]]


def test_hints_are_colored_squares_in_a_dark_frame():
    lightness = torch.full((1, 1, 16, 16), 50.0)
    points = Points(torch.zeros(1, 2, 16, 16), torch.zeros(1, 1, 16, 16))
    points.mask[..., 4:7, 4:7] = 1
    points.ab[:, 0, 4:7, 4:7] = 60.0
    image = hint_image(lightness, Guidance(points=points))[0]
    assert image[0, 5, 5] > image[1, 5, 5] + 0.2
    assert float(image[:, 3, 5].max()) < 0.01
    assert float(image[:, 12, 12].std()) < 0.01


@pytest.mark.parametrize("first", [True, False])
def test_the_first_process_alone_paints(first, tmp_path):
    trainer = small_trainer(tmp_path)
    grid, model = ImageGrid(), small_model().eval()
    grid.setup(trainer, model, "fit")
    batch = {"rgb": torch.rand(2, 3, 32, 32), "seed": torch.tensor([1, 2]), "name": ["a", "b"]}
    process = SimpleNamespace(
        is_global_zero=first, sanity_checking=False, num_val_batches=[1], loggers=[], global_step=3
    )
    grid.on_validation_batch_end(process, model, None, batch, 0)
    assert [path.name for path in tmp_path.rglob("*.png")] == ["step-0000003.png"] * first
