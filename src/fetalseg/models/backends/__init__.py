"""What a network can run by: PyTorch, which runs all of them anywhere, and OpenVINO, which is faster on a CPU."""
