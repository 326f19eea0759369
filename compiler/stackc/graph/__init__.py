"""Document → typed graph → flat program: names, arrows, types and costs, without PyTorch."""
