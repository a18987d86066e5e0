"""Explanations of the forget bias, and of the same layer in Keras, TensorFlow 1 and CuDNN."""

from __future__ import annotations

from lstmdump.lstm import LSTM, Role
from lstmdump.lstm.slices import stored_blocks
from lstmdump.model.cell_classes import KERAS_ORDER, TF1_ORDER
from lstmdump.report.explain.section import Line, Section, Subject, table


def forget_bias(subject: Subject) -> Section:
    """Explain where the forget bias is: in the stored b_f, or added at run time."""
    explain = {"Keras": _explain_keras, "TensorFlow 1": _explain_tensorflow_1, "PyTorch": _explain_pytorch,
               "ONNX": _explain_onnx, "TensorFlow Lite": _explain_tensorflow_lite}  # fmt: skip
    text = explain[subject.layout.framework](subject)
    return Section("Where is the forget bias?", (Line(text),))


def elsewhere(subject: Subject) -> Section:
    """Compare the layer in Keras, in TensorFlow 1, and in CuDNN's layout or in PyTorch."""
    if subject.layout.framework == "ONNX":
        return _compare_onnx(subject)
    if subject.layout.framework == "PyTorch":
        return _compare_pytorch(subject)
    kernel, recurrent = subject.shape(Role.KERNEL), subject.shape(Role.RECURRENT_KERNEL)
    order, fused_order = " ".join(KERAS_ORDER), " ".join(TF1_ORDER)
    rows = [
        ("", "Keras 2 and 3", "TensorFlow 1", "CuDNN (Keras)"),
        ("kernel", kernel, subject.shape(Role.FUSED_KERNEL), kernel),
        ("recurrent_kernel", recurrent, "part of kernel", recurrent),
        ("bias", subject.shape(Role.BIAS), subject.shape(Role.BIAS), subject.shape(Role.DOUBLED_BIAS)),
        ("gate order", order, fused_order, order),
        ("a gate's block", "as is", "as is", "transposed"),
        ("forget bias", "in the stored b_f", "added at run time", "in the stored b_f"),
        ("gates", "σ or hard_sigmoid", "σ", "σ"),
        ("candidate", "tanh or another", "tanh or another", "tanh"),
    ]
    lines = table(rows)
    if subject.lstm.peepholes or subject.lstm.projection is not None:
        lines.append(Line("But Keras's LSTM and CuDNNLSTM have neither peepholes nor a projection."))
    return Section("How do other frameworks store the same layer?", tuple(lines))


def _compare_pytorch(subject: Subject) -> Section:
    order, fused_order = " ".join(KERAS_ORDER), " ".join(TF1_ORDER)
    rows = [
        ("", "PyTorch", "Keras 2 and 3", "TensorFlow 1"),
        ("W of all gates", *map(subject.shape, (Role.ROW_KERNEL, Role.KERNEL, Role.FUSED_KERNEL))),
        ("U of all gates", *map(subject.shape, (Role.ROW_RECURRENT_KERNEL, Role.RECURRENT_KERNEL)), "part of W"),
        (
            "b of all gates",
            f"two, {subject.shape(Role.ADDED_BIAS)}",
            subject.shape(Role.BIAS),
            subject.shape(Role.BIAS),
        ),
        ("gate order", order, order, fused_order),
        ("forget bias", "in the stored b_f", "in the stored b_f", "added at run time"),
        ("gates", "σ", "σ or hard_sigmoid", "σ"),
        ("candidate", "tanh", "tanh or another", "tanh or another"),
    ]
    lines = table(rows)
    if subject.lstm.projection is not None:
        lines.append(Line("But Keras's LSTM has no projection."))
    return Section("How do other frameworks store the same layer?", tuple(lines))


def _compare_onnx(subject: Subject) -> Section:
    both = map(subject.shape, (Role.ROW_KERNEL, Role.ROW_RECURRENT_KERNEL))
    kernel, recurrent = (subject.shape(role) for role in (Role.KERNEL, Role.RECURRENT_KERNEL))
    rows_of_kernel, rows_of_state = both
    rows = [
        ("", "a node of ONNX", "PyTorch", "Keras 2 and 3"),
        ("W of all gates", rows_of_kernel, rows_of_kernel, kernel),
        ("U of all gates", rows_of_state, rows_of_state, recurrent),
        ("b of all gates", subject.shape(Role.DOUBLED_BIAS), f"two, {subject.shape(Role.ADDED_BIAS)}",
         subject.shape(Role.BIAS)),
        ("gate order", "i o f c", "i f c o", "i f c o"),
        ("gates", "σ or another", "σ", "σ or hard_sigmoid"),
        ("candidate", "tanh or another", "tanh", "tanh or another"),
    ]  # fmt: skip
    lines = table(rows)
    if subject.lstm.peepholes:
        lines.append(Line("But the LSTM of PyTorch and that of Keras have no peepholes."))
    return Section("How do other frameworks store the same layer?", tuple(lines))


def _explain_onnx(subject: Subject) -> str:
    if subject.lstm.forget_bias:
        return _explain_tensorflow_1(subject)
    if not subject.lstm.use_bias:
        return "Nowhere: the layer has no bias."
    return (f"In the stored b_f{_name_slice(subject)}. With what it was initialized depends on the framework that the "
            "model was exported from. Nothing is added at run time.")  # fmt: skip


def _explain_tensorflow_lite(subject: Subject) -> str:
    if subject.lstm.forget_bias != 0:
        return _explain_tensorflow_1(subject)
    if not subject.lstm.use_bias:
        return "Nowhere: the layer has no bias."
    return f"In the stored b_f{_name_slice(subject)}: the operators add nothing else at run time."


def _explain_pytorch(subject: Subject) -> str:
    if not subject.lstm.use_bias:
        return "Nowhere: the layer has no bias."
    return (f"In the stored b_f{_name_slice(subject)}. PyTorch initializes both biases around 0, like the kernels, and "
            "training changes them. Nothing is added at run time.")  # fmt: skip


def _explain_keras(subject: Subject) -> str:
    if not subject.lstm.use_bias:
        return "Nowhere: the layer has no bias."
    return f"In the stored b_f{_name_slice(subject)}. {_explain_beginning(subject.lstm)} Nothing is added at run time."


def _explain_beginning(lstm: LSTM) -> str:
    """Explain how b_f was initialized, as far as the configuration states it."""
    begins_at_1 = lstm.settings.unit_forget_bias
    if begins_at_1:
        return "According to the configuration, it was initialized to 1, and then trained."
    if begins_at_1 is False:
        return "According to the configuration (unit_forget_bias=False), it was not initialized to 1."
    return "By default, Keras initializes it to 1, and training changes it."


def _explain_tensorflow_1(subject: Subject) -> str:
    added, has_bias = subject.lstm.forget_bias, subject.lstm.use_bias
    where = "b_f" if has_bias else "the forget gate"
    if added is None:
        return (f"Not in the stored numbers: the cell adds it to {where} at run time. This file does not hold the "
                "value; TensorFlow's default is 1.0.")  # fmt: skip
    if added == 0:
        return f"There is none: at run time, the cell adds 0 to {where}."
    if not has_bias:
        return f"Not in the stored numbers: the cell adds {added} to {where} at run time."
    return (
        f"Not in the stored b_f{_name_slice(subject)}: the cell adds {added} to it at run time. To move the "
        "numbers to Keras, add it once: lstmdump export --fold-forget-bias does so."
    )


def _name_slice(subject: Subject) -> str:
    """Return the slice that holds b_f, after a comma; an empty text if the section is on layers of several sizes."""
    blocks = " + ".join(map(str, stored_blocks(subject.lstm, "f")["b"]))
    return "" if subject.in_letters or blocks in ("", "b_f") else f", {blocks}"
