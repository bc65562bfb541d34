set local role fabula_owner;

ALTER TABLE app.channels
    DROP CONSTRAINT channels_provider_check,
    ADD CONSTRAINT channels_provider_check CHECK (provider in ('OPENAI_COMPATIBLE', 'OPENAI', 'AZURE_OPENAI', 'ANTHROPIC', 'GEMINI', 'DASHSCOPE', 'LOCAL', 'DEMO'));

reset role;
