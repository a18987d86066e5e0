"""Export gates to `.npz`: choose the file for each model, and write the arrays."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from stat import S_ISDIR, S_ISREG
from typing import NamedTuple

from lstmdump.errors import NoForgetBias, OutputExists
from lstmdump.export import atomic, chunks, conflicts, npz, onnx, others, safetensors
from lstmdump.export.chunks import ArrayOutput
from lstmdump.export.layouts import plan as layouts
from lstmdump.export.layouts import table, texts
from lstmdump.export.layouts.modules import LayerModule
from lstmdump.export.layouts.table import TargetLayout
from lstmdump.export.others import OtherArrays
from lstmdump.lstm import LSTM
from lstmdump.lstm.loaded_model import LoadedModel
from lstmdump.lstm.precedence import unreadable_first
from lstmdump.model import locate
from lstmdump.model.escape import key
from lstmdump.model.limits import DEFAULTS, Limits
from lstmdump.model.tensor import Tensor
from lstmdump.report import record
from lstmdump.report.facts import Report, describe, select, without_lstm
from lstmdump.sandbox.guard import ModelPath

_SAFETENSORS, _ONNX = ".safetensors", ".onnx"
DTYPES = ("keep", "float16", "float32", "float64")


class Job(NamedTuple):
    """One model and the file for its gates.

    Attributes:
        directory: The directory that paths are relative to; the current one where it is empty.
        below: See `ModelPath`.
        averages: See `ModelPath`.
    """

    model: str
    output: str
    directory: str = ""
    below: str = ""
    averages: bool = False


@dataclass(frozen=True)
class Settings:
    """How to export. The attributes are the options of the command.

    Attributes:
        dtype: One of `DTYPES`; `keep` leaves each array as it is stored, bfloat16 as float32.
        fold_forget_bias: Add the forget bias, a constant of the cell, to b_f.
        layer_glob: Export only layers whose names match.
        layout: The word of the layout, from `layouts.table.WORDS`.
        force_layout: Write also what the target of the layout computes otherwise.
        with_others: Write the other arrays of the model, too.
        limits: The limits for reading models.
    """

    dtype: str = "keep"
    compress: bool = False
    fold_forget_bias: bool = False
    force: bool = False
    skip_existing: bool = False
    layer_glob: str | None = None
    limits: Limits = DEFAULTS
    layout: str = table.GATES
    force_layout: bool = False
    with_others: bool = False


_AS_STORED = Settings()


@dataclass(frozen=True)
class Exported:
    """The result of a job.

    Attributes:
        layers: The number of layers; None where an existing file was left.
        bytes: The size of the file.
        cautions: What the cells compute with, but the arrays do not include; or that there is no LSTM layer.
    """

    job: Job
    layers: int | None
    bytes: int
    skipped: bool = False
    cautions: tuple[str, ...] = ()


def plan(
    models: Sequence[str], out: str, *, directory: str = "", suffixes: tuple[str, ...] = (".npz",)
) -> Iterator[Job]:
    """Return the file for each of `models`: `out` itself for one model if it has a suffix of a file, else one below it.

    The path below `out` is that of the model relative to the deepest directory that holds all models; a URL counts as a
    path of scheme, host or bucket, and the rest; models on several drives are below directories named as the drives.
    Conflicts are detected at once; the jobs are made one by one, so that
    they need no memory apart from the paths.

    Args:
        models: The paths of the models.
        out: A file or a directory.
        directory: The current directory, for jobs that are run where another is current.
        suffixes: The suffixes of files that can be written; the first is that of files below a directory.

    Raises:
        OutputClash: Two models would be written to one file, or one over a model.
        OutputUnwritable: `out` is a URL.
    """
    conflicts.require_local_path(out)
    if len(models) == 1 and out.endswith(suffixes):
        conflicts.require_not_a_model(out, models[0])
        return iter([Job(models[0], out, directory)])
    places = {locate.absolute(model) for model in models}
    directories = {os.path.dirname(place) for place in places}
    top = _find_common_directory(directories)
    below = (_place_below(directory, top, out) for directory in directories)

    def name_output(model: str) -> str:
        return _place_below(locate.absolute(model), top, out) + suffixes[0]

    conflicts.check_output_conflicts(models, name_output, out, places, below)
    return (Job(model, name_output(model), directory) for model in models)


def _find_common_directory(directories: Collection[str]) -> str:
    """Return the deepest directory that holds all `directories`; an empty text for none, or several drives."""
    try:
        return os.path.commonpath(directories) if directories else ""
    except ValueError:  # several drives of Windows: the paths are all absolute
        return ""


def _place_below(place: str, top: str, out: str) -> str:
    """Return the path below `out` for `place`, which is below `top`, or on one of several drives."""
    if top:
        return os.path.join(out, place[len(top) :].lstrip(os.sep))
    drive, rest = os.path.splitdrive(place)
    names = [name.rstrip(":") for name in drive.split(os.sep) if name not in ("", "?", ".")]  # C:, \\host\share, \\?\C:
    return os.path.join(out, *names, rest.lstrip(os.sep))


def export(job: Job, settings: Settings = _AS_STORED) -> Exported:
    """Write the gates of the LSTM layers of one model. The file is complete, or as it was before.

    Raises:
        OutputExists: The file exists, and the settings neither overwrite nor skip it.
        NoForgetBias: The forget bias is to be folded, but the model does not hold it.
        NoSuchLayer: No layer of the model matches the pattern in the settings.
        DoesNotFit: A number is too large for the dtype.
        UnreadableModel, NotAnLSTM: The model cannot be read.
        OutputUnwritable: The file cannot be written.
    """
    path = job.model if locate.is_url(job.model) else os.path.join(job.directory, job.model)
    below = job.below and os.path.join(job.directory, job.below)
    return export_model(ModelPath(path, settings.limits, averages=job.averages, below=below), job, settings)


def export_model(model: ModelPath, job: Job, settings: Settings = _AS_STORED) -> Exported:
    """Export like `export`, from a model whose format may have been detected already."""
    if (left := skipped(job, settings)) is not None:
        return left
    with model.open() as opened:
        chosen = select(opened.lstms, settings.layer_glob)
        with unreadable_first(chosen):
            text = record.line(record.of(_describe(opened, chosen, settings)._replace(model=job.model)))
        output = os.path.join(job.directory, job.output)
        beside = others.plan(opened, settings.layout, settings.dtype) if settings.with_others else others.NOTHING
        if (layout := table.find(settings.layout)) is None:
            cautions = tuple(_list_cautions(chosen, settings))
            groups = (list(_list_arrays(lstm, settings)) for lstm in chosen)
            size = _write_arrays(output, text, chain(groups, others.list_groups(beside)), settings)
        else:
            is_graph = output.endswith(_ONNX)
            modules, cautions = layouts.plan(
                chosen, opened.producer, layout, force=settings.force_layout, is_graph=is_graph, dtype=settings.dtype
            )
            size = _write_layout(output, text, modules, layout, settings, beside)
        cautions = (*cautions, *beside.cautions) if chosen else (without_lstm(opened), *beside.cautions)
    return Exported(job, len(chosen), size, cautions=cautions)


def _write_layout(
    output: str,
    text: str,
    modules: Sequence[LayerModule],
    layout: TargetLayout,
    settings: Settings,
    beside: OtherArrays,
) -> int:
    if layout.word_text is not None:
        with atomic.whole_file(output, overwrite=settings.force) as file:
            texts.write(file, layout.word_text(modules))
            return file.tell()
    groups = (list(layouts.list_arrays([module], layout, settings.dtype)) for module in modules)
    if output.endswith(_ONNX):
        arrays = [_widen(array) if settings.dtype == "keep" else array for group in groups for array in group]
        return onnx.write(output, text, modules, arrays, overwrite=settings.force)
    return _write_arrays(output, text, chain(groups, others.list_groups(beside)), settings)


def _widen(array: ArrayOutput) -> ArrayOutput:
    """Have float16 written as float32: ONNX Runtime computes an LSTM in that, and would round x and h to float16."""
    return array._replace(dtype="float32") if array.dtype == "float16" else array


def _write_arrays(output: str, text: str, groups: Iterable[Sequence[ArrayOutput]], settings: Settings) -> int:
    """Write the arrays of all layers, those of each in a group of its own."""
    texts = {record.KEY: text}
    if output.endswith(_SAFETENSORS):
        texts |= {"format": "pt"} if settings.layout == "pytorch" else {}
        arrays = [array for group in groups for array in group]
        return safetensors.write(output, texts, arrays, overwrite=settings.force)
    return npz.write(output, texts, groups, compress=settings.compress, overwrite=settings.force)


def skipped(job: Job, settings: Settings) -> Exported | None:
    """Return the result of a job whose file exists and is left as it is; None for a job to run.

    Raises:
        OutputExists: The file exists, and the settings neither overwrite nor skip it.
    """
    output = os.path.join(job.directory, job.output)
    try:
        there = os.stat(output)
    except (OSError, ValueError):  # reported when it is written
        return None
    if not S_ISREG(there.st_mode):
        raise OutputExists(f"{job.output} is {'a directory' if S_ISDIR(there.st_mode) else 'not a regular file'}")
    if settings.force:
        return None
    if settings.skip_existing:
        atomic.remove_leftovers(os.path.dirname(output) or os.curdir)
        return Exported(job, None, there.st_size, skipped=True)
    raise atomic.already_there(job.output, "--force or --skip-existing")


def _list_cautions(lstms: Sequence[LSTM], settings: Settings) -> Iterator[str]:
    """Yield what the cells compute with, but the written arrays do not include."""
    for lstm in lstms:
        if lstm.forget_bias and not settings.fold_forget_bias:
            yield (f"{lstm.name}: b_f does not include the {lstm.forget_bias} that the cell adds at run time; "
                   "--fold-forget-bias adds it")  # fmt: skip
        elif lstm.forget_bias is None:
            yield f"{lstm.name}: b_f does not include the forget bias of the cell, which the file does not hold"
        if lstm.normalized:
            yield f"{lstm.name}: its gates are normalized before activation, with arrays that are not written"


def _describe(opened: LoadedModel, chosen: tuple[LSTM, ...], settings: Settings) -> Report:
    report = describe(opened, chosen)
    if not settings.fold_forget_bias and settings.layout == table.GATES:
        return report
    for layer in report.layers:
        if layer.forget_bias is None:
            words = f"{layer.name}: the file does not hold its forget bias, so it cannot be folded into b_f"
            raise NoForgetBias(f"{words}; export with the graph (.meta) beside the checkpoint")
    folded = tuple(layer._replace(forget_bias=0.0, use_bias=layer.use_bias or bool(layer.forget_bias))
                   for layer in report.layers)  # fmt: skip
    added = [f"{layer.name}: the forget bias {layer.forget_bias} is folded into b_f"
             for layer in report.layers if layer.forget_bias]  # fmt: skip
    return report._replace(layers=folded, notes=(*report.notes, *added))


def _list_arrays(lstm: LSTM, settings: Settings) -> Iterator[ArrayOutput]:
    for tensor in lstm.arrays():
        is_folded = settings.fold_forget_bias and tensor is lstm.gates["f"].b
        yield _plan_array(tensor, settings, added=(lstm.forget_bias or 0.0) if is_folded else 0.0)
    if settings.fold_forget_bias and lstm.forget_bias and lstm.gates["f"].b is None:
        kernel = lstm.gates["f"].W
        yield _plan_array(
            chunks.filled(f"{lstm.name}/b_f", lstm.units, lstm.forget_bias, _choose_stored_dtype(kernel)), settings
        )


def _plan_array(tensor: Tensor, settings: Settings, *, added: float = 0.0) -> ArrayOutput:
    return ArrayOutput(
        key(tensor.name), tensor, _choose_stored_dtype(tensor) if settings.dtype == "keep" else settings.dtype, added
    )


def _choose_stored_dtype(tensor: Tensor) -> str:
    return tensor.value_dtype
