"""The Open Inference Protocol, version 2, over gRPC: between the site and replicas of its models.

Ray Serve, Triton, OpenVINO Model Server and KServe speak it as well. ``v2_pb2*`` are generated from
``v2.proto`` by grpcio-tools 1.76, which runs in an environment of its own:

    python -m grpc_tools.protoc -I . --python_out . --pyi_out . --grpc_python_out . \
        ml_core/inference_protocol/v2.proto
"""
