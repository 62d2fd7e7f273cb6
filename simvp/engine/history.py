"""The history of a training, a row for each epoch: as a file and as lines to read."""

import csv
import io


def as_csv(history: list[dict[str, float]]) -> str:
    """The rows of all epochs, with a header."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(history[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(history)
    return text.getvalue()


def describe_epoch(row: dict[str, float], epochs: int, *, is_best: bool) -> str:
    """One line of at most 80 characters, in columns."""
    return (
        f"epoch {row['epoch']:>{len(str(epochs))}}/{epochs}  loss {row['train_loss']:.5f}  "
        f"val loss {row['val_loss']:.5f}  mse {row['val_mse']:<6.4g}  "
        f"ssim {row['val_ssim']:.4f}  {'best' if is_best else ''}"
    ).rstrip()
