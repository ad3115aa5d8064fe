"""What networks can be run by."""

# From the fastest on a CPU on; auto is the first that this machine has.
RUNTIMES = ("auto", "openvino_bf16", "openvino", "torch")
