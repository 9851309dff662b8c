// A real OpenID provider, certified: signs people in by any password, and tells their groups by userinfo alone.
import { Provider } from "oidc-provider";

const { redirect, people } = JSON.parse(process.env.GIVEN);
const clients = [
  {
    client_id: "toril",
    client_secret: "a secret of thirty-two bytes, or more",
    redirect_uris: [redirect],
    grant_types: ["authorization_code"],
    response_types: ["code"],
  },
];
const server = (await import("node:http")).createServer();
server.listen(0, "127.0.0.1", () => {
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const provider = new Provider(issuer, {
    clients,
    cookies: { keys: ["a key of the tests"] },
    claims: { openid: ["sub"], profile: ["preferred_username"], groups: ["groups"] },
    scopes: ["openid", "profile", "groups"],
    pkce: { required: () => true },
    findAccount: (_ctx, id) => ({ accountId: id, claims: () => ({ sub: id, ...people[id] }) }),
    async loadExistingGrant(ctx) {
      const grant = new ctx.oidc.provider.Grant({
        clientId: ctx.oidc.client.clientId,
        accountId: ctx.oidc.session.accountId,
      });
      grant.addOIDCScope("openid profile groups");
      await grant.save();
      return grant;
    },
  });
  server.on("request", provider.callback());
  console.log(JSON.stringify({ issuer }));
});
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
