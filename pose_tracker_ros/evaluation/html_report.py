"""One self-contained HTML page of results: tables, figures and the worst frames."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from matplotlib.figure import Figure

from pose_tracker_ros.datasets.sequence import FrameSequence
from pose_tracker_ros.evaluation.overlay import draw_overlay
from pose_tracker_ros.evaluation.plots import DOTS_PER_INCH
from pose_tracker_ros.evaluation.protocol import Summary, TrackErrors
from pose_tracker_ros.evaluation.published import PublishedTable
from pose_tracker_ros.evaluation.report import SUMMARY_COLUMNS, comparison_rows, summary_cells
from pose_tracker_ros.frame import Frame
from pose_tracker_ros.rendering.protocol import Renderer

JPEG_QUALITY = 85
TRUTH_COLOR = (255, 160, 0)
STYLE = """
body { font-family: system-ui, sans-serif; margin: 2em auto; max-width: 78em; padding: 0 1em; color: #222; }
table { border-collapse: collapse; margin: 1em 0; font-variant-numeric: tabular-nums; }
th, td { padding: .25em .7em; border-bottom: 1px solid #ddd; text-align: right; white-space: nowrap; }
th { white-space: normal; vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
tr:last-child { font-weight: bold; }
.wide { overflow-x: auto; } .ours { background: #eef6ee; } .note { color: #666; font-size: .9em; }
figure { display: inline-block; margin: .5em; } figcaption { font-size: .9em; } img { max-width: 100%; }
"""


class CaptionedImage(NamedTuple):
    """An image (H, W, 3) uint8 RGB and what it shows."""

    caption: str
    image: np.ndarray


def worst_frames(
    track: TrackErrors, sequence: FrameSequence, renderer: Renderer, count: int = 4
) -> list[CaptionedImage]:
    """The frames of largest error that have an estimate, with it and the outline of the true pose drawn."""
    error = track.adds if track.symmetric else track.add
    order = [row for row in np.argsort(-error) if np.isfinite(error[row])][:count]
    rows = {int(track.index[row]): row for row in order}
    images = {}
    for frame in sequence:
        if frame.index in rows:
            row = rows[frame.index]
            caption = (
                f"{track.sequence_name} frame {frame.index}: {'ADD-S' if track.symmetric else 'ADD'} "
                f"{error[row] * 1e3:.1f} mm, {np.degrees(track.rotation[row]):.1f} deg"
            )
            images[frame.index] = CaptionedImage(caption, _compare(frame, track, row, renderer))
        if len(images) == len(rows):
            break
    return [images[int(track.index[row])] for row in order if int(track.index[row]) in images]


def write_html(
    path: str | Path,
    title: str,
    rows: Sequence[Summary],
    figures: Mapping[str, Figure],
    worst: Sequence[CaptionedImage] = (),
    published: PublishedTable | None = None,
    ours: Mapping[str, Sequence[Summary]] | None = None,
) -> None:
    """Write the page; images are inside it, nothing is loaded from elsewhere.

    Parameters: ``rows`` of :func:`summarize_by_object`; ``figures`` name -> figure; ``worst`` from
    :func:`worst_frames`; ``published`` results to show beside ``ours`` (column name -> rows, default ``rows``).
    """
    parts = [f"<h1>{escape(title)}</h1>", _summary_section(rows)]
    if published is not None:
        parts.append(_published_section(ours or {"this run": rows}, published))
    parts.append("<h2>Curves</h2>" + "".join(_figure_tag(name, figure) for name, figure in figures.items()))
    if worst:
        parts.append(
            "<h2>Worst frames</h2><p class=note>Green: the estimate. Orange: the outline at the true pose.</p>"
        )
        parts.extend(_image_tag(item) for item in worst)
    page = (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )
    Path(path).write_text(page, encoding="utf-8")


def _compare(frame: Frame, track: TrackErrors, row: int, renderer: Renderer) -> np.ndarray:
    pose = track.estimates[row]
    image = draw_overlay(frame.color, renderer.render(frame.camera, pose), frame.camera, pose, track.diameter_m)
    truth = renderer.render(frame.camera, frame.truth[track.object_name]).mask
    contours, _ = cv2.findContours(truth.view(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    cv2.drawContours(image, contours, -1, TRUTH_COLOR, 1, cv2.LINE_AA)
    return image


def _summary_section(rows: Sequence[Summary]) -> str:
    note = (
        "AUC: area under the accuracy-threshold curve to 0.1 m in percent, VOC-style as the YCB-Video toolbox; "
        "a missing estimate is a failure; a loss is a run of frames without an estimate or with an error above "
        "half the object's diameter."
    )
    cells = [summary_cells(row) for row in rows]
    return _table([column.heading for column in SUMMARY_COLUMNS], cells) + f"<p class=note>{note}</p>"


def _published_section(ours: Mapping[str, Sequence[Summary]], published: PublishedTable) -> str:
    headings, rows = comparison_rows(ours, published)
    sources = "".join(
        f"<li>{escape(method.name)}: initial pose: {escape(method.initial_pose)}. {escape(method.source)}"
        f"{'; ' + escape(method.note) if method.note else ''}</li>"
        for method in published.methods
    )
    return (
        f"<h2>Beside published results</h2><p>{escape(published.title)}: AUC of ADD / ADD-S in percent.</p>"
        + _table(headings, rows, highlighted=len(ours))
        + f"<ul class=note>{sources}</ul>"
    )


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], highlighted: int = 0) -> str:
    def cell(tag: str, number: int, text: str) -> str:
        mark = " class=ours" if 1 <= number <= highlighted else ""
        return f"<{tag}{mark}>{escape(text)}</{tag}>"

    head = "".join(cell("th", number, text) for number, text in enumerate(headings))
    body = "".join(
        "<tr>" + "".join(cell("td", number, text) for number, text in enumerate(row)) + "</tr>" for row in rows
    )
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _figure_tag(name: str, figure: Figure) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return f'<figure><img alt="{escape(name)}" src="{_data_url("png", buffer.getvalue())}"></figure>'


def _image_tag(item: CaptionedImage) -> str:
    _, data = cv2.imencode(".jpg", item.image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    source = _data_url("jpeg", data.tobytes())
    return f'<figure><img alt="" src="{source}"><figcaption>{escape(item.caption)}</figcaption></figure>'


def _data_url(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
