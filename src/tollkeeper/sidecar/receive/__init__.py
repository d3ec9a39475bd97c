"""Receives OTLP over HTTP and gRPC: decodes what comes, hands it to the intake, and answers as the protocol asks."""
