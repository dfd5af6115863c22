"""The OpenAI protocol: requests, replies and streams, checked before they are believed."""
