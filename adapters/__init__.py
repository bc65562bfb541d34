"""What speaks to outside firms: one module a firm, each turning its wire protocol into the domain's ports.

    openai          any OpenAI-compatible base URL, with the quirks of `presets`, and Azure's deployments
    anthropic       Anthropic's Messages
    gemini          Google Gemini, native protocol
    dashscope       Alibaba Bailian, native protocol
    local           a model file on this machine, served by `local_server`
    demo            a deterministic text engine that needs no network
    factory         the ports for a channel's kind
    local_servers   OpenAI-compatible servers on this machine's loopback ports

    sse_provider    protocols that are spoken without an SDK
    wire_provider   what adapters to a server share: opening, closing, text and embeddings
    frames          the rules of every stream: time limits, bounds, finish reason, tool calls, usage
    http_guard      the rules of every HTTP exchange: headers out, status, type and size in
    http_errors     one firm's failure in, one `ProviderError` out

SDKs take one to two seconds of CPU to import, so nothing here imports one before the first call needs it.
"""
