"""The operations on tensors in a functional model, such as `x * 2` and `x[:, -1]`, forward and backward.

Keras 3 stores them as `Multiply` and `GetItem`, with their settings and the arguments of the call, tf_keras as
`TFOpLambda` and `SlicingOpLambda`, with the name of the function of TensorFlow. `table` lists both.

In this package, gradients are (r, batch, …): so the axes of the numbers and of their gradients correspond from the end,
as broadcasting requires.
"""
