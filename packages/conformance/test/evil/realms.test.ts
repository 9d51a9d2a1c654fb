/** Token servers in challenges: CVE-2026-33540, CVE-2026-48978. */
import { Credential } from "@effect-oci/auth"
import { describe, expect } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as EvilRegistry from "../../src/EvilRegistry.js"
import {
  alice,
  behindBearer,
  connect,
  evil,
  evilEach,
  honest,
  repository,
  secretsOf,
  tag,
  tokenServer
} from "./setup.js"

interface Row {
  readonly name: string
  readonly home?: { readonly host: string; readonly tls: boolean }
  readonly server: { readonly host: string; readonly tls: boolean }
  /** Returns the realm for the origin of the token server. Default: `/token` on this origin. */
  readonly realm?: (origin: URL) => string
  readonly trusted?: (origin: URL) => string
  readonly gets: "credentials" | "nothing"
}

const registry = { host: "registry.example", tls: true }
const at = (host: string, tls = true) => ({ host, tls })

const rows: ReadonlyArray<Row> = [
  { name: "a subdomain", server: at("auth.registry.example"), gets: "credentials" },
  { name: "the same host, another port", server: at("registry.example"), gets: "credentials" },
  {
    name: "a sibling subdomain",
    home: at("reg.registry.example"),
    server: at("auth.registry.example"),
    gets: "credentials"
  },
  { name: "another host", server: at("evil.example"), gets: "nothing" },
  { name: "a host with the same prefix", server: at("registry.example.evil.example"), gets: "nothing" },
  { name: "a host with the same suffix", server: at("evilregistry.example"), gets: "nothing" },
  {
    name: "a neighbour on a public suffix",
    home: at("alice.github.io"),
    server: at("mallory.github.io"),
    gets: "nothing"
  },
  {
    name: "a host that looks the same",
    server: at("xn--rgistry-bya.example"),
    realm: (url) => `https://régistry.example:${url.port}/token`,
    gets: "nothing"
  },
  {
    name: "another host, with the registry's name as the user of the URL",
    server: at("evil.example"),
    realm: (url) => `https://registry.example@${url.host}/token`,
    gets: "nothing"
  },
  {
    name: "a URL with credentials",
    server: at("auth.registry.example"),
    realm: (url) => `https://alice:x@${url.host}/token`,
    gets: "nothing"
  },
  { name: "the same host over http", server: at("registry.example", false), gets: "nothing" },
  { name: "a subdomain over http", server: at("auth.registry.example", false), gets: "nothing" },
  {
    name: "another IP address",
    home: at("127.0.0.1"),
    server: at("127.0.0.2"),
    gets: "nothing"
  },
  { name: "another port of an IP address", home: at("127.0.0.1"), server: at("127.0.0.1"), gets: "nothing" },
  { name: "another port of localhost", home: at("localhost"), server: at("localhost"), gets: "nothing" },
  {
    name: "a trusted host",
    server: at("evil.example"),
    trusted: (url) => url.origin,
    gets: "credentials"
  },
  {
    name: "a trusted path of another host",
    server: at("evil.example"),
    trusted: (url) => `${url.origin}/token`,
    gets: "credentials"
  },
  {
    name: "another path than the trusted one",
    server: at("evil.example"),
    trusted: (url) => `${url.origin}/tokens`,
    gets: "nothing"
  },
  {
    name: "another port than the trusted one",
    server: at("evil.example"),
    trusted: () => "https://evil.example",
    gets: "nothing"
  },
  {
    name: "http if https is trusted",
    server: at("evil.example", false),
    trusted: (url) => `https://${url.host}`,
    gets: "nothing"
  },
  {
    name: "trusted http, from a registry with https",
    server: at("evil.example", false),
    trusted: (url) => url.origin,
    gets: "nothing"
  },
  {
    name: "http on a subdomain, from a registry with http",
    home: at("registry.example", false),
    server: at("auth.registry.example", false),
    gets: "nothing"
  },
  {
    name: "https on a subdomain, from a registry with http",
    home: at("registry.example", false),
    server: at("auth.registry.example"),
    gets: "credentials"
  },
  { name: "a file URL", server: at("evil.example"), realm: () => "file:///etc/passwd", gets: "nothing" },
  { name: "a realm that is not a URL", server: at("evil.example"), realm: () => "auth", gets: "nothing" }
]

const kinds = {
  "a user and a password": Credential.basic,
  "an identity token": (_: string, secret: string) => Credential.identityToken(secret)
}

describe.each(Object.entries(kinds))("%s", (_, credential) => {
  evilEach(
    rows,
    ({ gets, name }) => `${gets === "nothing" ? "is never sent" : "is sent"} to ${name}`,
    (row, evil) =>
      Effect.gen(function*() {
        const isSent = row.gets === "credentials"
        const secret = evil.secret(isSent ? undefined : { unsent: "the realm is not trusted" })
        const token = evil.secret(isSent ? undefined : { unsent: "no token is requested" })
        const server = yield* evil.site(row.server, tokenServer(token))
        const url = new URL(server.origin)
        const realm = row.realm?.(url) ?? `${server.origin}/token`
        const home = yield* evil.site(
          row.home ?? registry,
          behindBearer(`Bearer realm="${realm}",service="registry"`, [token], honest)
        )
        evil.belongs(secret, server)
        evil.belongs(token, home, server)
        const client = yield* connect(evil, home, {
          credentials: { [home.host]: credential("alice", secret) },
          auth: { trustedRealms: row.trusted === undefined ? [] : [row.trusted(url)] }
        })
        const exit = yield* evil.run(client.getManifest(repository, tag))
        expect(Exit.isSuccess(exit)).toBe(isSent)
        if (!isSent) {
          expect(server.requests).toEqual([])
          expect(exit).toMatchObject({ cause: { error: { _tag: "OciRealmRefused", operation: "GetManifest" } } })
        }
      })
  )
})

describe("a client without credentials", () => {
  const foreign = rows.filter(({ gets, realm, server, trusted }) =>
    gets === "nothing" && server.tls && realm === undefined && trusted === undefined
  )
  evilEach(foreign, ({ name }) => `may request a token from ${name}`, (row, evil) =>
    Effect.gen(function*() {
      const token = evil.secret()
      const server = yield* evil.site(row.server, tokenServer(token))
      const challenge = `Bearer realm="${server.origin}/token",service="registry"`
      const home = yield* evil.site(row.home ?? registry, behindBearer(challenge, [token], honest))
      evil.belongs(token, home, server)
      const client = yield* connect(evil, home)
      const exit = yield* evil.run(client.getManifest(repository, tag))
      expect(Exit.isSuccess(exit)).toBe(true)
      expect(secretsOf(server)).toEqual([])
    }))
})

describe("a trusted token server that redirects", () => {
  const targets: ReadonlyArray<readonly [name: string, host: string, tls: boolean]> = [
    ["to another host", "evil.example", true],
    ["to http", "auth.registry.example", false],
    ["to another port", "auth.registry.example", true]
  ]
  evilEach(
    targets.flatMap(([name, host, tls]) => [302, 307, 308].map((status) => ({ name, host, tls, status }))),
    ({ name, status }) => `with ${status} ${name} does not receive credentials there`,
    ({ host, status, tls }, evil) =>
      Effect.gen(function*() {
        const secret = evil.secret()
        const other = yield* evil.site({ host, tls }, tokenServer("stray"))
        const server = yield* evil.site({ host: "auth.registry.example", tls: true }, () => ({
          status,
          headers: { location: `${other.origin}/token` }
        }))
        const home = yield* evil.site(
          registry,
          behindBearer(`Bearer realm="${server.origin}/token",service="registry"`, ["stray"], honest)
        )
        evil.belongs(secret, server)
        for (const credential of [Credential.basic("alice", secret), Credential.identityToken(secret)]) {
          const client = yield* connect(evil, home, { credentials: { [home.host]: credential } })
          yield* evil.run(client.getManifest(repository, tag))
        }
        expect(secretsOf(other)).toEqual([])
        expect(other.requests.filter(({ body }) => body.includes("refresh_token"))).toEqual([])
        if (!tls) expect(other.requests).toEqual([])
      })
  )
})

evil(
  "a token is sent only to the registry that it was issued for, not to another with the same token server",
  (evil) =>
    Effect.gen(function*() {
      const password = evil.secret()
      const token = evil.secret()
      const server = yield* evil.site({ host: "auth.registry.example", tls: true }, (request, count) =>
        EvilRegistry.header(request, "authorization") === undefined
          ? tokenServer("anonymous")(request, count)
          : tokenServer(token)(request, count))
      const challenge = `Bearer realm="${server.origin}/token",service="registry"`
      const home = yield* evil.site(registry, behindBearer(challenge, [token], honest))
      const other = yield* evil.site(at("evil.registry.example"), behindBearer(challenge, ["anonymous"], honest))
      evil.belongs(password, server)
      evil.belongs(token, server, home)
      for (const site of [home, other, home, other]) {
        const client = yield* connect(evil, site, { credentials: alice(home, password) })
        expect(Exit.isSuccess(yield* evil.run(client.getManifest(repository, tag)))).toBe(true)
      }
    })
)

describe("the response of a token server", () => {
  const answers: ReadonlyArray<readonly [name: string, answer: EvilRegistry.Response]> = [
    ["is not JSON", { status: 200, body: "<html>" }],
    ["contains no token", { status: 200, body: `{"expires_in":300}` }],
    ["contains a token that is not a string", { status: 200, body: `{"token":{"a":1}}` }],
    ["contains a token with a line break", { status: 200, body: `{"token":"a\\r\\nx-evil: 1"}` }],
    ["contains __proto__", { status: 200, body: `{"token":"","__proto__":{"token":"x"}}` }],
    ["is a failure", { status: 500, body: "x" }],
    ["does not end", { status: 200, body: "x".repeat(65_536), ending: "repeat" }],
    ["ends too early", { status: 200, headers: { "content-length": "100" }, body: `{"token":"a`, ending: "break" }]
  ]
  evilEach(
    answers,
    ([name]) => `${name}: a typed error without secrets`,
    ([, answer], evil) =>
      Effect.gen(function*() {
        const password = evil.secret()
        const server = yield* evil.site({ host: "auth.registry.example", tls: true }, () => answer)
        const home = yield* evil.site(
          registry,
          behindBearer(`Bearer realm="${server.origin}/token",service="registry"`, ["never"], honest)
        )
        evil.belongs(password, server)
        const client = yield* connect(evil, home, { credentials: alice(home, password) })
        const exit = yield* evil.run(client.getManifest(repository, tag))
        expect(exit).toMatchObject({ cause: { _tag: "Fail", error: { operation: "GetManifest" } } })
        expect(home.requests.every(({ headers }) => !headers.some(([name]) => name === "x-evil"))).toBe(true)
      })
  )
})
