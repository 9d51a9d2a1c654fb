import { afterAll, describe, expect, it } from "@effect/vitest"
import { Effect, Either } from "effect"
import * as fc from "fast-check"
import * as Fuzz from "../src/Fuzz.js"

const { targets } = Fuzz

const named = (name: string): Fuzz.Target => {
  const target = targets.find((each) => each.name === name)
  if (target === undefined) throw new RangeError(`no target "${name}"`)
  return target
}

/** Inputs that once caused a failure. `npm run fuzz` prints such a row for each failure that it finds. */
const found: ReadonlyArray<readonly [target: string, input: unknown]> = [
  ["Range header", "bytes=9007199254740992-9007199254740992"],
  [
    "error body",
    {
      status: 403,
      operation: undefined,
      headers: {},
      body: `{"errors":[{"code":"DENIED","detail":${"[".repeat(9000)}${"]".repeat(9000)}}]}`
    }
  ],
  ["manifest", { mediaType: "\0application/vnd.oci.image.index.v1+json", content: `{"schemaVersion":2,"blobs":[]}` }],
  ["manifest", { mediaType: "application/vnd.example.v1+json", content: `{"schemaVersion":2,"blobs":[]}` }]
]

describe("hostile input is parsed or rejected, without a defect", () => {
  it.each(targets)("$name", (target) => {
    let parsed = 0
    const counted = { ...target, laws: { ...target.laws, "the result is counted": () => ++parsed > 0 } }
    const runs = fc.check(
      fc.property(target.input, (input) => {
        expect(Fuzz.problem(counted, input)).toBeUndefined()
      }),
      { seed: 20_261_121, numRuns: 400 }
    )
    expect(fc.defaultReportMessage(runs)).toBeUndefined()
    // Enough inputs are valid to reach the code after the first check.
    expect(parsed).toBeGreaterThan(20)
  })

  it.each(found)("%s: an input that once failed", (name, input) => {
    expect(Fuzz.problem(named(name), input)).toBeUndefined()
  })

  it("hostile input does not change Object.prototype", () => {
    const before = Object.getOwnPropertyNames(Object.prototype)
    for (const target of targets) {
      for (const input of fc.sample(target.input, { seed: 7, numRuns: 50 })) Fuzz.problem(target, input)
    }
    expect(Object.getOwnPropertyNames(Object.prototype)).toEqual(before)
    expect(Object.keys({})).toEqual([])
  })
})

describe("the worst input of 64 KiB is parsed in 5 ms", () => {
  const document = JSON.stringify(Array.from({ length: 3000 }, (_, index) => ({ index, name: `name ${index}` })))
  const reading = { ...named("count"), run: () => Effect.sync(() => JSON.parse(document) as unknown) }
  /** The limit on this machine, scaled by the time that an ordinary document takes now. */
  const limitNow = () => 5 * Math.max(1, Fuzz.time(reading, "", { tries: 20, enough: 0 }) / 2)
  const slowest: Array<string> = []

  const worstOf = (target: Fuzz.Target, limit: number) => {
    let most = { took: 0, name: "" }
    for (const { make, name } of target.worst) {
      // Lengths near the limits of the grammars, and the full length.
      for (const length of [250, 1000, 8000, 16_000, 65_536]) {
        const took = Fuzz.time(target, make(length), { tries: 30, enough: limit })
        if (took > most.took) most = { took, name: `${length} characters: ${name}` }
      }
    }
    return most
  }

  it.each(targets)("$name", (target) => {
    // Other programs may slow a run down, so a slow target is measured again.
    for (let left = 3; left > 0; left--) {
      const limit = limitNow()
      const most = worstOf(target, limit)
      if (most.took >= limit && left > 1) continue
      slowest.push(`${most.took.toFixed(2).padStart(6)} ms  ${target.name}: ${most.name}`)
      expect(most.took < limit ? undefined : most).toBeUndefined()
      return
    }
  }, 60_000)

  afterAll(() => {
    if (process.env["FUZZ_SHOW"] !== undefined) process.stdout.write(`${slowest.sort().join("\n")}\n`)
  })
})

describe("Fuzz.problem detects", () => {
  const good = named("tag")
  const faults: ReadonlyArray<readonly [name: string, target: Fuzz.Target, problem: RegExp]> = [
    [
      "a parser that throws",
      { ...good, run: (input) => (input as string).includes("%") ? decodeURIComponent("%") as never : good.run(input) },
      /URIError/
    ],
    [
      "a parser whose effect throws",
      {
        ...good,
        run: (input) =>
          Effect.sync(() => {
            if ((input as string).includes("__proto__")) throw new TypeError("no such member")
          })
      },
      /TypeError/
    ],
    [
      "an asynchronous parser",
      { ...good, run: () => Effect.promise(() => Promise.resolve()) },
      /cannot be resolved synchronously/
    ],
    [
      "a law that is broken",
      { ...good, laws: { "the input is short": (_, input) => (input as string).length < 100 } },
      /does not hold: the input is short/
    ],
    [
      "a law that throws",
      { ...good, laws: { "the input is JSON": (_, input) => JSON.parse(input as string) as boolean } },
      /SyntaxError/
    ],
    [
      "an error that contains unprintable input",
      { ...good, run: (input) => Effect.fail(new Error(String(input))) },
      /not safe to log/
    ],
    [
      "a very long error",
      { ...good, run: () => Effect.fail(new Error("a".repeat(20_000))) },
      /20000 characters/
    ],
    [
      "an error that cannot be serialized",
      { ...good, run: () => Effect.fail(Object.assign(new Error("no"), { size: 1n })) },
      /BigInt/
    ]
  ]
  it.each(faults)("%s", (_, target, problem) => {
    const problems = fc.sample(target.input, { seed: 1, numRuns: 400 }).map((input) => Fuzz.problem(target, input))
    expect(problems.find((each) => each !== undefined && problem.test(each))).toBeDefined()
  })

  it("a parser with quadratic time", () => {
    const quadratic: Fuzz.Target = {
      ...good,
      run: (input) => Either.right(/^(?:.*a)+$/.test((input as string).replace(/\s+$/, "")))
    }
    const longest = Math.max(
      ...quadratic.worst.map(({ make }) => Fuzz.time(quadratic, make(26), { tries: 1, enough: 0 }))
    )
    expect(longest).toBeGreaterThan(5)
  })

  it("Fuzz.time returns the shortest run, and stops at the first run that is fast enough", () => {
    let tries = 0
    const target = { ...good, run: () => Effect.sync(() => void tries++) }
    Fuzz.time(target, "", { tries: 7, enough: 1000 })
    expect(tries).toBe(1)
    Fuzz.time(target, "", { tries: 7, enough: 0 })
    expect(tries).toBe(8)
  })
})
