import { describe, expect, it } from "@effect/vitest"
import { Either, Option, Redacted } from "effect"
import * as fc from "fast-check"
import type * as Credential from "../src/Credential.js"
import * as DockerConfig from "../src/DockerConfig.js"
import * as Origin from "../src/Origin.js"

const origin = (url: string) => Option.getOrThrow(Origin.parse(url))
const base64 = (text: string) => Buffer.from(text).toString("base64")
const parse = (json: unknown) => DockerConfig.parse(JSON.stringify(json), "config.json")
const file = (json: unknown) => Either.getOrThrow(parse(json))

/** What is in an entry, in the open. */
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

const of = (config: unknown, url: string, repository?: string) =>
  shown(DockerConfig.entry([file(config)], origin(url), repository))

const named = (key: string) => ({ auth: base64(`${key}:x`) })
const withKeys = (...keys: ReadonlyArray<string>) => ({
  auths: Object.fromEntries(keys.map((key) => [key, named(key.replaceAll(":", "+"))]))
})

describe("a key", () => {
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
  it.each(cases)("%j of %s, %s: %s", (key, url, repository, matches) => {
    expect(of(withKeys(key), url, repository)).toHaveLength(matches ? 1 : 0)
  })

  const hub = [
    "docker.io",
    "index.docker.io",
    "registry-1.docker.io",
    "https://index.docker.io/v1/",
    "https://docker.io"
  ]
  it.each(hub)("of Docker Hub is any of its names: %s", (key) => {
    for (const host of ["docker.io", "index.docker.io", "registry-1.docker.io"]) {
      expect(of(withKeys(key), `https://${host}`, "library/alpine")).toHaveLength(1)
    }
    expect(of(withKeys(key), "https://auth.docker.io")).toEqual([])
    expect(of(withKeys(key), "https://docker.io:5000")).toEqual([])
  })

  it("that is nearest to a repository counts, in whichever file", () => {
    const files = [file(withKeys("a.example", "a.example/x/y")), file(withKeys("a.example/x", "a.example/x/y/z"))]
    const found = (repository?: string) => shown(DockerConfig.entry(files, origin("https://a.example"), repository))
    expect(found("x/y/z")).toEqual(["a.example/x/y/z:x"])
    expect(found("x/y/w")).toEqual(["a.example/x/y:x"])
    expect(found("x/w")).toEqual(["a.example/x:x"])
    expect(found("w")).toEqual(["a.example:x"])
    expect(found()).toEqual(["a.example:x"])
  })

  it("that several files have counts in the first, where it says anything", () => {
    const one = (auth: string) => file({ auths: { "a.example": auth === "" ? {} : { auth: base64(auth) } } })
    const found = (...files: ReadonlyArray<string>) =>
      shown(DockerConfig.entry(files.map(one), origin("https://a.example")))
    expect(found("a:b", "c:d")).toEqual(["a:b"])
    expect(found("", "c:d")).toEqual(["c:d"])
    expect(found("", "")).toEqual([])
  })

  it("gives its credentials to no other host", () => {
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

describe("an entry", () => {
  const cases: ReadonlyArray<readonly [name: string, entry: unknown, found: ReadonlyArray<string>]> = [
    ["in base64", { auth: base64("a:b") }, ["a:b"]],
    ["without padding", { auth: base64("a:b").replaceAll("=", "") }, ["a:b"]],
    ["whose password holds colons", { auth: base64("a:b:c:") }, ["a:b:c:"]],
    ["with NULs at its end", { auth: base64("a:b\0\0") }, ["a:b"]],
    ["in any alphabet", { auth: base64("zoë:пароль") }, ["zoë:пароль"]],
    ["of a user and a password", { username: "a", password: "b" }, ["a:b"]],
    ["said twice", { auth: base64("a:b"), username: "c", password: "d" }, ["a:b"]],
    ["with an identity token", { identitytoken: "t", auth: base64("0:") }, ["IdentityToken t"]],
    [
      "with everything",
      { registrytoken: "r", identitytoken: "i", auth: base64("a:b") },
      ["RegistryToken r", "IdentityToken i", "a:b"]
    ],
    ["with what nobody knows", { email: "a@b", auth: base64("a:b"), extra: [1] }, ["a:b"]],
    ["of a helper", {}, []]
  ]
  it.each(cases)("is read: %s", (_, entry, found) => {
    expect(of({ auths: { "a.example": entry } }, "https://a.example")).toEqual(found)
  })
})

describe("a malformed file", () => {
  const secret = base64("alice:CANARY")
  const cases: ReadonlyArray<readonly [name: string, text: string, reason: string]> = [
    ["no JSON", `{"auths": {"a": {"auth": "CANARY"`, "it is no JSON"],
    ["a list", `["CANARY"]`, "it is no JSON object"],
    ["a text", `"CANARY"`, "it is no JSON object"],
    ["null", "null", "it is no JSON object"],
    ["auths that are a list", `{"auths": ["CANARY"]}`, "`auths` is no object"],
    ["an entry that is a text", `{"auths": {"a.example": "CANARY"}}`, "an entry of `auths` is malformed"],
    ["no base64", `{"auths": {"a.example": {"auth": "CANARY!"}}}`, "an entry of `auths` is malformed"],
    ["no password", `{"auths": {"a.example": {"auth": "${base64("CANARY")}"}}}`, "an entry of `auths` is malformed"],
    ["a number", `{"auths": {"a.example": {"auth": "${secret}", "password": 1}}}`, "an entry of `auths` is malformed"],
    ["helpers that are a text", `{"credHelpers": "CANARY"}`, "`credHelpers` is no object"],
    [
      "a helper that is an object",
      `{"credHelpers": {"a.example": {"CANARY": 1}}}`,
      "an entry of `credHelpers` is no string"
    ],
    ["a store that is a list", `{"credsStore": ["CANARY"]}`, "`credsStore` is no string"]
  ]
  it.each(cases)("is named, and never shown: %s", (_, text, reason) => {
    const error = Either.getOrThrow(Either.flip(DockerConfig.parse(text, "/home/alice/.docker/config.json")))
    expect(error._tag).toBe("CredentialError")
    expect(error.message).toBe(
      `/home/alice/.docker/config.json is no configuration of Docker or Podman: ${reason}; correct or remove it`
    )
    for (const told of [String(error), JSON.stringify(error), error.stack ?? ""]) {
      expect(told).not.toMatch(/CANARY|Q0FOQV/)
    }
  })
})

describe("a helper", () => {
  const files = [
    file({ credHelpers: { "a.example": "one", "https://b.example": "", "c.example:5000": "three" } }),
    file({ credHelpers: { "a.example": "other", "d.example": "four" }, credsStore: "all" })
  ]
  const cases: ReadonlyArray<readonly [url: string, helper: string | undefined]> = [
    ["https://a.example", "one"],
    ["https://b.example", undefined],
    ["https://c.example:5000", "three"],
    ["https://c.example", "all"],
    ["https://d.example", "four"]
  ]
  it.each(cases)("of a host comes before that of all: %s", (url, helper) => {
    expect(DockerConfig.helper(files, origin(url))).toBe(helper)
  })
})
