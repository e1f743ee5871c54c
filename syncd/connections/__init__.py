"""OAuth connections: how one is made, how its tokens are kept, renewed and handed out.

`vendors` says what the two vendors call things, `endpoint` asks them for tokens,
`cipher` encrypts what the store keeps. `tokens` hands out the token of a location or
account: `serving` finds the row that it comes from, `renewing` renews it once for all
processes, `refusals` says why there is none. `attempts` and `callback` lead a person
through `syncd connect`.
"""
