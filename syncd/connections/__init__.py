"""OAuth connections: how one is made, how its tokens are kept, renewed and handed out.

`vendors` says what the two vendors call things, `endpoint` asks them for tokens,
`cipher` encrypts what the store keeps, `tokens` hands out the token of a location or
account and renews it once for all processes, `attempts` and `callback` lead a person
through `syncd connect`.
"""
