namespace latencykit::kernels {}
