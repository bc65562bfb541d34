async def test_smoke(site):
    p = await site.tenant()
    print(await p("{me{user{email} tenant{id} role scopes}}"))
    async with p.socket() as ws:
        await ws.subscribe("1", "{me{role}}")
        async for e in ws.events("1"): print(e)
    async with site.sse("{me{role}}", {}, authorization=p.authorization) as ev:
        async for e in ev: print(e)
