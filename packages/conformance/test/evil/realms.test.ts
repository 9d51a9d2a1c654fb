/** Token servers that a registry names: CVE-2026-33540, CVE-2026-48978. */
import { Credential } from "@effect-oci/auth"
import { describe, expect } from "@effect/vitest"
import { Effect, Exit } from "effect"
import * as EvilRegistry from "../../src/EvilRegistry.js"
import { alice, behindBearer, connect, evil, evilEach, giving, honest, repository, secretsOf, tag } from "./setup.js"

interface Row {
  readonly name: string
  readonly home?: { readonly host: string; readonly tls: boolean }
  readonly server: { readonly host: string; readonly tls: boolean }
  /** The realm, from the origin of the token server. */
  readonly realm?: (origin: URL) => string
  readonly trusted?: (origin: URL) => string
  readonly gets: "credentials" | "nothing"
}

const registry = { host: "registry.example", tls: true }
const at = (host: string, tls = true) => ({ host, tls })

const rows: ReadonlyArray<Row> = [
  { name: "a host below", server: at("auth.registry.example"), gets: "credentials" },
  { name: "the same host, another port", server: at("registry.example"), gets: "credentials" },
  {
    name: "a host beside",
    home: at("reg.registry.example"),
    server: at("auth.registry.example"),
    gets: "credentials"
  },
  { name: "another host", server: at("evil.example"), gets: "nothing" },
  { name: "a host that begins alike", server: at("registry.example.evil.example"), gets: "nothing" },
  { name: "a host that ends alike", server: at("evilregistry.example"), gets: "nothing" },
  {
    name: "a neighbour on a public suffix",
    home: at("alice.github.io"),
    server: at("mallory.github.io"),
    gets: "nothing"
  },
  {
    name: "a look-alike",
    server: at("xn--rgistry-bya.example"),
    realm: (url) => `https://régistry.example:${url.port}/token`,
    gets: "nothing"
  },
  {
    name: "another host behind the registry's name",
    server: at("evil.example"),
    realm: (url) => `https://registry.example@${url.host}/token`,
    gets: "nothing"
  },
  {
    name: "a host with a user",
    server: at("auth.registry.example"),
    realm: (url) => `https://alice:x@${url.host}/token`,
    gets: "nothing"
  },
  { name: "the same host, on http", server: at("registry.example", false), gets: "nothing" },
  { name: "a host below, on http", server: at("auth.registry.example", false), gets: "nothing" },
  {
    name: "an address, of a registry at another",
    home: at("127.0.0.1"),
    server: at("127.0.0.2"),
    gets: "nothing"
  },
  { name: "another port of an address", home: at("127.0.0.1"), server: at("127.0.0.1"), gets: "nothing" },
  { name: "another port of localhost", home: at("localhost"), server: at("localhost"), gets: "nothing" },
  {
    name: "another host that is trusted",
    server: at("evil.example"),
    trusted: (url) => url.origin,
    gets: "credentials"
  },
  {
    name: "another host whose path is trusted",
    server: at("evil.example"),
    trusted: (url) => `${url.origin}/token`,
    gets: "credentials"
  },
  {
    name: "another path than is trusted",
    server: at("evil.example"),
    trusted: (url) => `${url.origin}/tokens`,
    gets: "nothing"
  },
  {
    name: "another port than is trusted",
    server: at("evil.example"),
    trusted: () => "https://evil.example",
    gets: "nothing"
  },
  {
    name: "http where https is trusted",
    server: at("evil.example", false),
    trusted: (url) => `https://${url.host}`,
    gets: "nothing"
  },
  {
    name: "http that is trusted, of a registry on https",
    server: at("evil.example", false),
    trusted: (url) => url.origin,
    gets: "nothing"
  },
  {
    name: "http on another host, of a registry on http",
    home: at("registry.example", false),
    server: at("auth.registry.example", false),
    gets: "nothing"
  },
  {
    name: "https on a host below, of a registry on http",
    home: at("registry.example", false),
    server: at("auth.registry.example"),
    gets: "credentials"
  },
  { name: "a file", server: at("evil.example"), realm: () => "file:///etc/passwd", gets: "nothing" },
  { name: "no URL", server: at("evil.example"), realm: () => "auth", gets: "nothing" }
]

const kinds = {
  "a user and a password": Credential.basic,
  "an identity token": (_: string, secret: string) => Credential.identityToken(secret)
}

describe.each(Object.entries(kinds))("%s", (_, credential) => {
  evilEach(
    rows,
    ({ gets, name }) => `${gets === "nothing" ? "never goes" : "goes"} to ${name}`,
    (row, evil) =>
      Effect.gen(function*() {
        const isSent = row.gets === "credentials"
        const secret = evil.secret(isSent ? undefined : { unsent: "the realm is not trusted" })
        const token = evil.secret(isSent ? undefined : { unsent: "no token is asked for" })
        const server = yield* evil.site(row.server, giving(token))
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
        const exit = yield* evil.ask(client.getManifest(repository, tag))
        expect(Exit.isSuccess(exit)).toBe(isSent)
        if (!isSent) {
          expect(server.asked).toEqual([])
          expect(exit).toMatchObject({ cause: { error: { _tag: "RealmRefused", operation: "GetManifest" } } })
        }
      })
  )
})

describe("nobody in particular", () => {
  const foreign = rows.filter(({ gets, realm, server, trusted }) =>
    gets === "nothing" && server.tls && realm === undefined && trusted === undefined
  )
  evilEach(foreign, ({ name }) => `may ask ${name}`, (row, evil) =>
    Effect.gen(function*() {
      const token = evil.secret()
      const server = yield* evil.site(row.server, giving(token))
      const challenge = `Bearer realm="${server.origin}/token",service="registry"`
      const home = yield* evil.site(row.home ?? registry, behindBearer(challenge, [token], honest))
      evil.belongs(token, home, server)
      const client = yield* connect(evil, home)
      const exit = yield* evil.ask(client.getManifest(repository, tag))
      expect(Exit.isSuccess(exit)).toBe(true)
      expect(secretsOf(server)).toEqual([])
    }))
})

describe("a token server that is trusted, and redirects", () => {
  const targets: ReadonlyArray<readonly [name: string, host: string, tls: boolean]> = [
    ["to another host", "evil.example", true],
    ["to http", "auth.registry.example", false],
    ["to another port", "auth.registry.example", true]
  ]
  evilEach(
    targets.flatMap(([name, host, tls]) => [302, 307, 308].map((status) => ({ name, host, tls, status }))),
    ({ name, status }) => `by ${status} ${name}, does not send credentials there`,
    ({ host, status, tls }, evil) =>
      Effect.gen(function*() {
        const secret = evil.secret()
        const other = yield* evil.site({ host, tls }, giving("stray"))
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
          yield* evil.ask(client.getManifest(repository, tag))
        }
        expect(secretsOf(other)).toEqual([])
        expect(other.asked.filter(({ body }) => body.includes("refresh_token"))).toEqual([])
        if (!tls) expect(other.asked).toEqual([])
      })
  )
})

evil(
  "a token is for the registry that it was given for, and no other with the same token server",
  (evil) =>
    Effect.gen(function*() {
      const password = evil.secret()
      const token = evil.secret()
      const server = yield* evil.site({ host: "auth.registry.example", tls: true }, (asked, count) =>
        EvilRegistry.header(asked, "authorization") === undefined
          ? giving("nobody")(asked, count)
          : giving(token)(asked, count))
      const challenge = `Bearer realm="${server.origin}/token",service="registry"`
      const home = yield* evil.site(registry, behindBearer(challenge, [token], honest))
      const other = yield* evil.site(at("evil.registry.example"), behindBearer(challenge, ["nobody"], honest))
      evil.belongs(password, server)
      evil.belongs(token, server, home)
      for (const site of [home, other, home, other]) {
        const client = yield* connect(evil, site, { credentials: alice(home, password) })
        expect(Exit.isSuccess(yield* evil.ask(client.getManifest(repository, tag)))).toBe(true)
      }
    })
)

describe("what a token server answers", () => {
  const answers: ReadonlyArray<readonly [name: string, answer: EvilRegistry.Answer]> = [
    ["no JSON", { status: 200, body: "<html>" }],
    ["no token", { status: 200, body: `{"expires_in":300}` }],
    ["a token that is no text", { status: 200, body: `{"token":{"a":1}}` }],
    ["a token that would end the header", { status: 200, body: `{"token":"a\\r\\nx-evil: 1"}` }],
    ["its own terms", { status: 200, body: `{"token":"","__proto__":{"token":"x"}}` }],
    ["a failure", { status: 500, body: "x" }],
    ["no end", { status: 200, body: "x".repeat(65_536), ending: "repeat" }],
    ["an end too soon", { status: 200, headers: { "content-length": "100" }, body: `{"token":"a`, ending: "break" }]
  ]
  evilEach(
    answers,
    ([name]) => `${name}: a typed error, and nothing is told`,
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
        const exit = yield* evil.ask(client.getManifest(repository, tag))
        expect(exit).toMatchObject({ cause: { _tag: "Fail", error: { operation: "GetManifest" } } })
        expect(home.asked.every(({ headers }) => !headers.some(([name]) => name === "x-evil"))).toBe(true)
      })
  )
})
