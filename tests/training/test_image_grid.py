"""ImageGrid: contents, output files, and failing loggers."""

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


def test_image_grid_is_logged_and_a_failing_logger_only_warns(images, tmp_path):
    board = TensorBoardLogger(tmp_path / "board")
    csv, dead = CSVLogger(tmp_path / "csv"), DeadLogger(tmp_path / "dead")
    with pytest.warns(UserWarning, match="DeadLogger"):
        grid_run(images, tmp_path, csv, dead, board, val_check_interval=1)
    saved = sorted((tmp_path / "csv").rglob("images/*.png"))
    assert [path.stem for path in saved] == ["step-0000001", "step-0000002", "step-0000003"]
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(board.log_dir)
    events.Reload()
    assert len(events.Images("val/images")) == 3


def test_image_grid_shows_the_averaged_model(images, tmp_path):
    averaging = EMAWeightAveraging(decay=0.5)
    trainer = grid_run(images, tmp_path, CSVLogger(tmp_path), callbacks=[averaging])
    model = trainer.lightning_module  # after fit it contains the average
    data = trainer.datamodule
    batch = data.on_after_batch_transfer(next(iter(data.val_dataloader())), 0)
    expected = draw_grid(grid_columns(model.eval(), batch))
    with Image.open(next(tmp_path.rglob("step-0000003.png"))) as made:
        assert np.array_equal(np.asarray(made), np.asarray(expected))


def test_hint_image_draws_colored_squares_with_dark_borders():
    lightness = torch.full((1, 1, 16, 16), 50.0)
    points = Points(torch.zeros(1, 2, 16, 16), torch.zeros(1, 1, 16, 16))
    points.mask[..., 4:7, 4:7] = 1
    points.ab[:, 0, 4:7, 4:7] = 60.0
    image = hint_image(lightness, Guidance(points=points))[0]
    assert image[0, 5, 5] > image[1, 5, 5] + 0.2
    assert float(image[:, 3, 5].max()) < 0.01
    assert float(image[:, 2, 5].min()) == pytest.approx(float(image[:, 12, 12].min()))
    assert float(image[:, 12, 12].std()) < 0.01


@pytest.mark.parametrize("first", [True, False])
def test_image_grid_is_written_only_by_the_first_process(first, tmp_path):
    trainer = small_trainer(tmp_path)
    grid, model = ImageGrid(), small_model().eval()
    grid.setup(trainer, model, "fit")
    batch = {"rgb": torch.rand(9, 3, 32, 32), "seed": torch.arange(9), "name": ["a"] * 9}
    process = SimpleNamespace(
        is_global_zero=first, sanity_checking=False, num_val_batches=[1], loggers=[], global_step=3
    )
    grid.on_validation_batch_end(process, model, None, batch, 0)
    saved = list(tmp_path.rglob("*.png"))
    assert [path.name for path in saved] == ["step-0000003.png"] * first
    for path in saved:
        with Image.open(path) as table:
            assert table.height == 8 * (32 + 2) + 2  # at most eight images, with separating lines
