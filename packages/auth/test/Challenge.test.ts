import { describe, expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Challenge from "../src/Challenge.js"

const shown = (values: string | Iterable<string>) =>
  Challenge.parse(values).map(({ parameters, scheme, token68 }) => [scheme, Object.fromEntries(parameters), token68])

describe("Challenge.parse", () => {
  const bearer = ["bearer", { realm: "https://auth.example/token", service: "example", scope: "a:b:c,d" }, undefined]
  const cases: ReadonlyArray<readonly [name: string, header: string, challenges: ReadonlyArray<unknown>]> = [
    ["nothing", "", []],
    ["only commas", " , ,,", []],
    ["only a scheme", "Negotiate", [["negotiate", {}, undefined]]],
    [
      "a bearer challenge",
      `Bearer realm="https://auth.example/token",service="example",scope="a:b:c,d"`,
      [bearer]
    ],
    [
      "white space and case",
      `BEARER\t REALM = "https://auth.example/token" ,\t Service=example , sCoPe =\t"a:b:c,d"`,
      [bearer]
    ],
    ["tokens as values", "Basic realm=here, charset=UTF-8", [[
      "basic",
      { realm: "here", charset: "UTF-8" },
      undefined
    ]]],
    ["an empty value", `Basic realm=""`, [["basic", { realm: "" }, undefined]]],
    ["escapes", String.raw`Basic realm="a \"b\" \\ \c"`, [["basic", { realm: `a "b" \\ c` }, undefined]]],
    ["a comma in quotes", `Basic realm="a, Bearer b=c"`, [["basic", { realm: "a, Bearer b=c" }, undefined]]],
    ["a repeated parameter", "Basic realm=a, realm=b", [["basic", { realm: "a" }, undefined]]],
    ["token68", "Negotiate abc==", [["negotiate", {}, "abc=="]]],
    ["token68 with one equals sign", "Negotiate abc=", [["negotiate", {}, "abc="]]],
    [
      "several",
      `Negotiate a/b+c=, Basic realm="x",Digest, Bearer realm=y, error=z`,
      [
        ["negotiate", {}, "a/b+c="],
        ["basic", { realm: "x" }, undefined],
        ["digest", {}, undefined],
        ["bearer", { realm: "y", error: "z" }, undefined]
      ]
    ],
    ["a parameter with the name of a prototype property", "Basic __proto__=x", [[
      "basic",
      Object.fromEntries([["__proto__", "x"]]),
      undefined
    ]]],
    ["a malformed start", `="x", Basic realm=x`, []],
    ["parameters without a scheme", "realm=x", []],
    ["an unterminated string", `Basic realm=x, Bearer realm="y`, [
      ["basic", { realm: "x" }, undefined],
      ["bearer", {}, undefined]
    ]],
    ["a string that ends in an escape", `Basic realm="y\\`, [["basic", {}, undefined]]],
    ["parameters without a comma", "Basic realm=x charset=y, Bearer realm=z", [["basic", { realm: "x" }, undefined]]],
    ["an invalid value", "Basic realm=, charset=x", [["basic", {}, "realm="]]],
    ["an invalid second value", "Basic realm=x, charset=, a=b", [["basic", { realm: "x" }, undefined]]],
    ["parameters after token68", "Negotiate abc==, realm=x, Basic", [["negotiate", {}, "abc=="]]],
    ["words", "Basic realm is x", [["basic", {}, undefined]]],
    ["a scheme directly followed by a string", `Basic"x", Bearer`, []]
  ]
  it.each(cases)("parses the header: %s", (_, header, challenges) => {
    expect(shown(header)).toEqual(challenges)
  })

  it("parses each of several headers separately", () => {
    expect(shown([`Basic realm="x`, "Bearer realm=y"])).toEqual([
      ["basic", {}, undefined],
      ["bearer", { realm: "y" }, undefined]
    ])
  })

  it("reads up to 16 KiB over all headers", () => {
    const filler = `Basic realm="${"x".repeat(Challenge.maxLength - 14)}"`
    expect(filler).toHaveLength(Challenge.maxLength)
    expect(Challenge.parse([filler, "Bearer realm=y"])).toHaveLength(1)
    expect(Challenge.parse([filler.slice(0, -1), `", Bearer realm=y`])).toHaveLength(1)
    expect(Challenge.parse(["Negotiate", filler])[1]?.parameters.size).toBe(0)
  })

  const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,9}$/)
  const quoted = (text: string) => `"${text.replace(/["\\]/g, String.raw`\$&`)}"`

  it("parses any valid challenges", () => {
    const challenge = fc.record({
      scheme: word,
      parameters: fc.uniqueArray(fc.tuple(word, fc.string({ maxLength: 40 })), { selector: ([name]) => name })
    })
    fc.assert(fc.property(fc.array(challenge, { maxLength: 5 }), (challenges) => {
      const text = challenges.map(({ parameters, scheme }) =>
        `${scheme} ${parameters.map(([name, value]) => `${name}=${quoted(value)}`).join(", ")}`
      ).join(", ")
      expect(shown(text)).toEqual(
        challenges.map(({ parameters, scheme }) => [scheme, Object.fromEntries(parameters), undefined])
      )
    }))
  })

  it("accepts any text, and a longer text yields at least as many challenges", () => {
    const piece = fc.oneof(
      fc.constantFrom("Bearer ", "realm=", `"`, "\\", ",", " ", "=", "==", "\t", "Basic", `realm="x"`, "\r\n", "é"),
      fc.string({ unit: "binary", maxLength: 5 })
    )
    fc.assert(fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      for (const { scheme } of Challenge.parse(pieces.join(""))) expect(scheme).toMatch(/^[^\sA-Z,="]+$/)
    }))
  })

  it("takes linear time for any text", () => {
    const attacks = ["a ", "a=", "a,", `"`, "\\", " ", "a b", "a a=", `a="`, ",", "==", `a b="\\"`, "\t,", "a=b "]
    for (const attack of attacks) {
      const text = `Basic ${attack.repeat(Challenge.maxLength)}`
      const began = performance.now()
      for (let i = 0; i < 5; i++) Challenge.parse(text)
      // Quadratic time would take seconds.
      expect(performance.now() - began).toBeLessThan(1000)
    }
  })
})

describe("Challenge.preferred", () => {
  const cases: ReadonlyArray<readonly [header: string, scheme: string | undefined]> = [
    ["", undefined],
    ["Digest realm=x, Negotiate", undefined],
    ["Basic realm=x, Bearer realm=y", "bearer"],
    ["Bearer realm=y, Basic", "bearer"],
    ["Bearer, Basic realm=x", "basic"],
    ["Bearer", undefined],
    ["Negotiate, Basic", "basic"]
  ]
  it.each(cases)("chooses the challenge to answer: %s", (header, scheme) => {
    expect(Challenge.preferred(Challenge.parse(header))?.scheme).toBe(scheme)
  })
})
