import * as Origin from "@effect-oci/transport/Origin"
import { describe, expect, it } from "@effect/vitest"
import { Either, Redacted } from "effect"
import * as fc from "fast-check"
import type * as Credential from "../src/Credential.js"
import * as DockerConfig from "../src/DockerConfig.js"

const origin = (url: string) => Origin.parse(url)!
const base64 = (text: string) => Buffer.from(text).toString("base64")
const parse = (json: unknown) => DockerConfig.parse(JSON.stringify(json), "config.json")
const file = (json: unknown) => Either.getOrThrow(parse(json))

/** Returns the content of an entry as plain text. */
const shown = (entry: Credential.Entry) =>
  entry.map((credential) => {
    switch (credential._tag) {
      case "Anonymous":
        return "anonymous"
      case "Basic":
        return `${credential.username}:${Redacted.value(credential.password)}`
      default:
        return `${credential._tag} ${Redacted.value(credential.token)}`
    }
  })

const found = (files: ReadonlyArray<DockerConfig.DockerConfig>, url: string, repository?: string) =>
  shown(Either.getOrThrow(DockerConfig.entry(files, origin(url), repository)))

const of = (config: unknown, url: string, repository?: string) => found([file(config)], url, repository)

const named = (key: string) => ({ auth: base64(`${key}:x`) })
const withKeys = (...keys: ReadonlyArray<string>) => ({
  auths: Object.fromEntries(keys.map((key) => [key, named(key.replaceAll(":", "+"))]))
})

describe("DockerConfig.entry", () => {
  const cases: ReadonlyArray<
    readonly [key: string, url: string, repository: string | undefined, matches: boolean]
  > = [
    ["example.com", "https://example.com", undefined, true],
    ["example.com", "https://example.com", "team/app", true],
    ["EXAMPLE.com", "https://example.com", undefined, true],
    ["example.com.", "https://example.com", undefined, true],
    ["example.com", "https://example.com.", undefined, true],
    ["example.com:443", "https://example.com", undefined, true],
    ["example.com:80", "https://example.com", undefined, false],
    ["example.com:80", "http://example.com", undefined, true],
    ["example.com:5000", "https://example.com:5000", undefined, true],
    ["example.com", "https://example.com:5000", undefined, false],
    ["example.com:5000", "https://example.com", undefined, false],
    ["https://example.com", "https://example.com", undefined, true],
    ["https://example.com/v1/", "https://example.com", "team/app", true],
    ["https://example.com/team", "https://example.com", "other", true],
    ["example.com/v2/", "https://example.com", undefined, true],
    ["[::1]:5000", "http://[::1]:5000", undefined, true],
    ["bücher.example", "https://xn--bcher-kva.example", undefined, true],
    ["example.com/team", "https://example.com", "team/app", true],
    ["example.com/team/app", "https://example.com", "team/app", true],
    ["example.com/team/app/", "https://example.com", "team/app", true],
    ["example.com/team", "https://example.com", "team2", false],
    ["example.com/team", "https://example.com", "other/team", false],
    ["example.com/team", "https://example.com", undefined, false],
    ["example.com", "https://example.com.evil.example", undefined, false],
    ["example.com", "https://evil-example.com", undefined, false],
    ["example.com", "https://a.example.com", undefined, false],
    ["a.example.com", "https://example.com", undefined, false],
    ["*.example.com", "https://a.example.com", undefined, false],
    ["", "https://example.com", undefined, false],
    ["__proto__", "https://example.com", undefined, false],
    ["user@example.com", "https://example.com", undefined, false]
  ]
  it.each(cases)("matches the key %j with %s, repository %s: %s", (key, url, repository, matches) => {
    expect(of(withKeys(key), url, repository)).toHaveLength(matches ? 1 : 0)
  })

  const hub = [
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "https://index.docker.io/v1/",
    "https://docker.io"
  ]
  it.each(hub)("finds Docker Hub by any of its names: %s", (key) => {
    for (const host of ["docker.io", "index.docker.io", "registry-1.docker.io"]) {
      expect(of(withKeys(key), `https://${host}`, "library/alpine")).toHaveLength(1)
    }
    expect(of(withKeys(key), "https://auth.docker.io")).toEqual([])
    expect(of(withKeys(key), "https://docker.io:5000")).toEqual([])
  })

  it("prefers the nearest key, in any file", () => {
    const files = [file(withKeys("a.example", "a.example/x/y")), file(withKeys("a.example/x", "a.example/x/y/z"))]
    const nearest = (repository?: string) => found(files, "https://a.example", repository)
    expect(nearest("x/y/z")).toEqual(["a.example/x/y/z:x"])
    expect(nearest("x/y/w")).toEqual(["a.example/x/y:x"])
    expect(nearest("x/w")).toEqual(["a.example/x:x"])
    expect(nearest("w")).toEqual(["a.example:x"])
    expect(nearest()).toEqual(["a.example:x"])
  })

  it("uses the first file with a non-empty entry for a key", () => {
    const one = (auth: string) => file({ auths: { "a.example": auth === "" ? {} : { auth: base64(auth) } } })
    const first = (...files: ReadonlyArray<string>) => found(files.map(one), "https://a.example")
    expect(first("a:b", "c:d")).toEqual(["a:b"])
    expect(first("", "c:d")).toEqual(["c:d"])
    expect(first("", "")).toEqual([])
  })

  it("returns credentials to no other host", () => {
    const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,6}[a-z0-9])?$/)
    const host = fc.array(label, { minLength: 2, maxLength: 4 }).map((labels) => labels.join("."))
    const near = host.chain((one) =>
      fc.tuple(
        fc.constant(one),
        fc.oneof(host, label.map((x) => `${x}.${one}`), label.map((x) => `${one}.${x}`), label.map((x) => `${x}${one}`))
      )
    )
    fc.assert(fc.property(near, fc.constantFrom("", "/v1/", "/team"), ([one, other], path) => {
      fc.pre(one !== other)
      expect(of(withKeys(`${one}${path}`), `https://${other}`, "team")).toEqual([])
      expect(of(withKeys(`${one}${path}`), `https://${one}`, "team")).toHaveLength(1)
    }))
  })
})

describe("DockerConfig.parse, for an entry", () => {
  const cases: ReadonlyArray<readonly [name: string, entry: unknown, found: ReadonlyArray<string>]> = [
    ["in base64", { auth: base64("a:b") }, ["a:b"]],
    ["without padding", { auth: base64("a:b").replaceAll("=", "") }, ["a:b"]],
    ["with colons in the password", { auth: base64("a:b:c:") }, ["a:b:c:"]],
    ["with NULs at its end", { auth: base64("a:b\0\0") }, ["a:b"]],
    ["in UTF-8", { auth: base64("zoë:пароль") }, ["zoë:пароль"]],
    ["with a user and a password", { username: "a", password: "b" }, ["a:b"]],
    ["with two forms of the same password", { auth: base64("a:b"), username: "c", password: "d" }, ["a:b"]],
    ["with an identity token", { identitytoken: "t", auth: base64("0:") }, ["IdentityToken t"]],
    [
      "with all kinds of credentials",
      { registrytoken: "r", identitytoken: "i", auth: base64("a:b") },
      ["RegistryToken r", "IdentityToken i", "a:b"]
    ],
    ["with unknown fields", { email: "a@b", auth: base64("a:b"), extra: [1] }, ["a:b"]],
    ["for a helper", {}, []],
    ["with line breaks in the base64", { auth: "YWxp\nY2U6\r\ncHc=\n" }, ["alice:pw"]],
    ["with NULs at both ends of the password", { auth: base64("a:\0b\0c\0") }, ["a:b\0c"]],
    ["that is null", null, []],
    ["with fields that are null", { auth: null, username: "a", password: "b", identitytoken: null }, ["a:b"]],
    ["with fields in another case", { Auth: base64("a:b"), identityToken: "t" }, ["IdentityToken t", "a:b"]],
    ["with empty fields", { auth: "", username: "", password: "", identitytoken: "", registrytoken: "" }, []],
    ["with the longest possible password", { auth: base64(`a:${"b".repeat(49_000)}`) }, [`a:${"b".repeat(49_000)}`]]
  ]
  it.each(cases)("parses an entry: %s", (_, entry, found) => {
    expect(of({ auths: { "a.example": entry } }, "https://a.example")).toEqual(found)
  })
})

describe("DockerConfig.parse, for a file without credentials", () => {
  const texts: ReadonlyArray<readonly [name: string, text: string]> = [
    ["null", "null"],
    ["an empty object", "{}"],
    ["null in place of every list", `{"auths": null, "credHelpers": null, "credsStore": null}`],
    ["other fields", `{"HttpHeaders": {"X": "y"}, "detachKeys": 1}`],
    ["a byte-order mark", `\uFEFF{"auths": {}}`]
  ]
  it.each(texts)("returns no entries: %s", (_, text) => {
    const config = Either.getOrThrow(DockerConfig.parse(text, "config.json"))
    expect(config).toEqual({ auths: new Map(), credHelpers: new Map(), credsStore: undefined })
  })
})

/** Checks that an error contains no secret, neither plain nor in base64. */
const expectNoSecret = (error: Error) => {
  for (const shown of [String(error), JSON.stringify(error), error.stack ?? ""]) {
    expect(shown).not.toMatch(/CANARY|Q0FOQV/)
  }
}

describe("DockerConfig.parse, for a malformed file", () => {
  const cases: ReadonlyArray<readonly [name: string, text: string, reason: string]> = [
    ["not JSON", `{"auths": {"a": {"auth": "CANARY"`, "the file is not JSON"],
    ["a list", `["CANARY"]`, "the file is not a JSON object"],
    ["a text", `"CANARY"`, "the file is not a JSON object"],
    ["auths that is a list", `{"auths": ["CANARY"]}`, "`auths` is not an object"],
    ["helpers that is a text", `{"credHelpers": "CANARY"}`, "`credHelpers` is not an object"],
    ["a store that is a list", `{"credsStore": ["CANARY"]}`, "`credsStore` is not a string"]
  ]
  it.each(cases)("fails with an error that names the file and shows no content: %s", (_, text, reason) => {
    const error = Either.getOrThrow(Either.flip(DockerConfig.parse(text, "/home/alice/.docker/config.json")))
    expect(error._tag).toBe("OciCredentialError")
    expect(error.message).toBe(
      `cannot read credentials from /home/alice/.docker/config.json: ${reason}; correct or remove it`
    )
    expectNoSecret(error)
  })
})

describe("DockerConfig.parse, for a malformed entry", () => {
  const secret = base64("alice:CANARY")
  const tooLong = base64(`alice:${"\0".repeat(131_072)}CANARY`)
  const entries: ReadonlyArray<readonly [name: string, entry: unknown, problem: string]> = [
    ["a text", "CANARY", "is not an object"],
    ["a list", ["CANARY"], "is not an object"],
    ["not base64", { auth: "CANARY!" }, "has an `auth` that is not base64"],
    ["NULs in place of base64", { auth: "\0".repeat(1000) }, "has an `auth` that is not base64"],
    ["no password", { auth: base64("CANARY") }, "has an `auth` without a colon between user and password"],
    ["a number", { auth: secret, password: 1 }, "has a field `password` that is not a string"],
    ["an auth that is too long", { auth: tooLong }, "has an `auth` of more than 65536 characters"]
  ]
  it.each(entries)("fails for its own host only, and names the entry: %s", (_, entry, problem) => {
    const config = file({ auths: { "https://Bad.example/v1/": entry, "good.example": { auth: base64("a:b") } } })
    expect(found([config], "https://good.example")).toEqual(["a:b"])
    expect(found([config], "https://other.example")).toEqual([])
    const error = Either.getOrThrow(
      Either.flip(DockerConfig.entry([config], origin("https://bad.example"), "team/app"))
    )
    expect(error).toMatchObject({
      _tag: "OciCredentialError",
      message:
        `cannot read credentials from config.json: the entry "https://Bad.example/v1/" of \`auths\` ${problem}; ` +
        "correct or remove it"
    })
    expectNoSecret(error)
  })

  it("fails for a helper entry's own host only, and names the entry", () => {
    const config = file({ credHelpers: { "bad.example": { CANARY: 1 }, "good.example": "one" }, credsStore: "all" })
    const helper = (url: string) => DockerConfig.helper([config], origin(url))
    expect(helper("https://good.example")).toEqual(Either.right("one"))
    expect(helper("https://other.example")).toEqual(Either.right("all"))
    const error = Either.getOrThrow(Either.flip(helper("https://bad.example")))
    expect(error.message).toContain("the entry \"bad.example\" of `credHelpers` is not a string")
    expectNoSecret(error)
  })

  it("takes linear time for an entry of any length", () => {
    const start = performance.now()
    const longest = "A".repeat(DockerConfig.maxAuthLength)
    const nuls = base64(`a:${"\0".repeat(49_000)}b`)
    for (const auth of [longest, nuls, "\n".repeat(65_000), "\0".repeat(1_000_000), "=".repeat(65_536)]) {
      DockerConfig.entry([file({ auths: { "a.example": { auth } } })], origin("https://a.example"))
    }
    expect(performance.now() - start).toBeLessThan(2000)
  })
})

describe("DockerConfig.helper", () => {
  const files = [
    file({ credHelpers: { "a.example": "one", "https://b.example": "", "c.example:5000": "three" } }),
    file({ CredHelpers: { "a.example": "other", "d.example": "four", "e.example": null }, credsstore: "all" })
  ]
  const cases: ReadonlyArray<readonly [url: string, helper: string | undefined]> = [
    ["https://a.example", "one"],
    ["https://b.example", undefined],
    ["https://c.example:5000", "three"],
    ["https://c.example", "all"],
    ["https://d.example", "four"],
    ["https://e.example", undefined]
  ]
  it.each(cases)("prefers the helper of a host to the helper of all hosts: %s", (url, helper) => {
    expect(DockerConfig.helper(files, origin(url))).toEqual(Either.right(helper))
  })
})
