import { RegistryError } from "@effect-oci/core"
import * as HttpClient from "@effect/platform/HttpClient"
import * as HttpClientResponse from "@effect/platform/HttpClientResponse"
import { describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as fc from "fast-check"
import * as AddressGuard from "../src/AddressGuard.js"

/** Returns why a request is not sent, or `undefined` if it is sent. */
const ask = (url: string, options: AddressGuard.Options = { origin: "https://registry.example" }) =>
  Effect.gen(function*() {
    const requests: Array<string> = []
    const http = HttpClient.make((request) => {
      requests.push(request.url)
      return Effect.succeed(HttpClientResponse.fromWeb(request, new Response()))
    })
    const answer = yield* Effect.either(AddressGuard.make(options)(http).get(url))
    if (Either.isRight(answer)) return undefined
    expect(requests).toEqual([])
    expect(answer.left.cause).toBeInstanceOf(RegistryError.Refused)
    return (answer.left.cause as RegistryError.Refused).message
  })

const spellings = {
  "a loopback address": [
    "127.0.0.1",
    "127.1",
    "127.255.255.254",
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "%31%32%37.0.0.1",
    "１２７.0.0.1",
    "①②⑦.0.0.1",
    "127。0。0。1",
    "localhost",
    "LOCALHOST",
    "localhost.",
    "registry.localhost",
    "[::1]",
    "[0:0:0:0:0:0:0:1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:7f00:1]",
    "[::127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::127.0.0.1]",
    "[2002:7f00:1::]"
  ],
  "a private address": [
    "10.0.0.1",
    "10.1",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.0.1",
    "3232235521",
    "100.64.0.1",
    "[fd00:ec2::254]",
    "[fc00::1]",
    "[fec0::1]",
    "[::ffff:10.0.0.1]",
    "[64:ff9b::10.0.0.1]",
    "[2002:c0a8:1::1]"
  ],
  "a link-local address": [
    "169.254.169.254",
    "169.254.170.2",
    "0xa9fea9fe",
    "2852039166",
    "[fe80::1]",
    "[::ffff:a9fe:a9fe]",
    "[64:ff9b::a9fe:a9fe]",
    "[2002:a9fe:a9fe::]"
  ],
  "the unspecified address": ["0.0.0.0", "0", "0x0", "0.1.2.3", "[::]", "[::ffff:0.0.0.0]"],
  "a multicast address": ["224.0.0.1", "239.255.255.255", "[ff02::1]"],
  "the broadcast address": ["255.255.255.255", "4294967295"],
  "a reserved address": [
    "192.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "240.0.0.1",
    "[2001:db8::1]",
    "[2001::1]",
    "[100::1]",
    "[4000::1]"
  ]
}

const refused = Object.entries(spellings).flatMap(([kind, hosts]) => hosts.map((host) => ({ kind, host })))

describe("a registry may not lead to", () => {
  it.effect.each(refused)("$host, $kind", ({ host, kind }) =>
    Effect.gen(function*() {
      expect(yield* ask(`https://${host}/latest/meta-data`)).toContain(`, which is ${kind}: `)
      expect(yield* ask(`https://${host}:8443/`)).toContain(`, which is ${kind}: `)
      expect(yield* ask(`https://registry.example@${host}/`)).toContain(`, which is ${kind}: `)
    }))

  it.effect("http if it is on https itself", () =>
    Effect.gen(function*() {
      expect(yield* ask("http://registry.example/v2/")).toBe(
        "the registry directs the client from https to http at registry.example"
      )
      const all = { origin: "https://registry.example", allowPrivate: true }
      expect(yield* ask("http://cdn.example/v2/", all)).toContain("from https to http at cdn.example")
      expect(yield* ask("http://cdn.example/v2/", { origin: "http://registry.example" })).toBeUndefined()
    }))
})

const open = [
  "1.1.1.1",
  "9.255.255.255",
  "11.0.0.1",
  "172.15.255.255",
  "172.32.0.1",
  "169.253.255.255",
  "[2606:4700::1111]",
  "[::ffff:1.1.1.1]",
  "[64:ff9b::1.1.1.1]",
  "[2002:101:101::1]",
  "cdn.example",
  "localhost.example",
  "notlocalhost",
  "127.0.0.1.example"
]

it.effect.each(open)("a registry may lead to %s", (host) =>
  Effect.gen(function*() {
    expect(yield* ask(`https://${host}/`)).toBeUndefined()
  }))

describe("a registry at a private address", () => {
  const cases: ReadonlyArray<readonly [origin: string, url: string, allowed: boolean]> = [
    ["http://127.0.0.1:5000", "http://127.0.0.1:5000/v2/", true],
    ["http://127.0.0.1:5000", "http://127.0.0.1:9000/bucket", true],
    ["http://127.0.0.1:5000", "http://localhost:9000/bucket", true],
    ["http://localhost:5000", "http://[::1]:9000/bucket", true],
    ["http://127.0.0.1:5000", "http://169.254.169.254/", false],
    ["http://127.0.0.1:5000", "http://10.0.0.1/", false],
    ["https://10.0.0.1", "https://10.0.0.1:9000/bucket", true],
    ["https://10.0.0.1", "https://10.0.0.2/", false],
    ["https://10.0.0.1", "https://127.0.0.1/", false]
  ]
  it.effect.each(cases)("%s may lead to %s: %s", ([origin, url, allowed]) =>
    Effect.gen(function*() {
      expect((yield* ask(url, { origin })) === undefined).toBe(allowed)
    }))
})

describe("allowPrivate", () => {
  const cases: ReadonlyArray<readonly [allowed: boolean | ReadonlyArray<string>, url: string, sent: boolean]> = [
    [true, "https://10.0.0.1/", true],
    [false, "https://10.0.0.1/", false],
    [[], "https://10.0.0.1/", false],
    [["10.0.0.1"], "https://10.0.0.1:9000/", true],
    [["10.0.0.1:9000"], "https://10.0.0.1:9000/", true],
    [["10.0.0.1:9000"], "https://10.0.0.1/", false],
    [["10.0.0.1:443"], "https://10.0.0.1/", true],
    [["10.0.0.1:443"], "https://10.0.0.1:9000/", false],
    [["10.0.0.1:80"], "https://10.0.0.1/", false],
    [["10.0.0.1:80"], "https://10.0.0.1:9000/", false],
    [["[fd00::1]:80"], "https://[fd00::1]:9000/", false],
    [["10.0.0.1"], "https://10.0.0.11/", false],
    [["[fd00::1]"], "https://[fd00:0::1]/", true],
    [["LocalHost"], "https://localhost/", true]
  ]
  it.effect.each(cases)("%j: %s", ([allowPrivate, url, sent]) =>
    Effect.gen(function*() {
      expect((yield* ask(url, { origin: "https://registry.example", allowPrivate })) === undefined).toBe(sent)
    }))
})

it("an IPv6 address that contains an IPv4 address is refused if the IPv4 address is", () => {
  const wraps = [
    (hex: string) => `[::ffff:${hex}]`,
    (hex: string) => `[64:ff9b::${hex}]`,
    (hex: string) => `[2002:${hex}::1]`
  ]
  return fc.assert(
    fc.asyncProperty(fc.array(fc.nat(255), { minLength: 4, maxLength: 4 }), async (octets) => {
      const [a = 0, b = 0, c = 0, d = 0] = octets
      const hex = `${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`
      const kindOf = async (host: string) =>
        (await Effect.runPromise(ask(`https://${host}/`)))?.replace(/.*, which is/, "")
      const kind = await kindOf(octets.join("."))
      for (const wrap of wraps) expect([wrap(hex), await kindOf(wrap(hex))]).toEqual([wrap(hex), kind])
    }),
    { numRuns: 200 }
  )
})

it.effect("an invalid URL is passed on to the HTTP client, which refuses it", () =>
  Effect.gen(function*() {
    expect(
      yield* Effect.flip(
        AddressGuard.make({ origin: "https://registry.example" })(
          HttpClient.make(() => Effect.die("sent"))
        ).get("https://[")
      )
    ).toMatchObject({ reason: "InvalidUrl" })
  }))
