import { expect, it } from "@effect/vitest"
import * as fc from "fast-check"
import * as Fuzz from "../src/Fuzz.js"

const seconds = Number(process.env["FUZZ_SECONDS"] ?? "60")

/** Prints a failure as a row of the table `found` in `fuzz.test.ts`. */
const report = (name: string, seed: number, input: unknown, problem: string | undefined): string =>
  `seed ${seed}: "${name}": ${problem ?? "the failure did not repeat"}\n\nAs a test:\n  [${JSON.stringify(name)}, ${
    fc.stringify(input)
  }]`

it(`every target handles hostile input, for ${seconds} s`, async () => {
  const end = Date.now() + seconds * 1000
  let runs = 0
  const first = Math.floor(Math.random() * 0x7fffffff)
  process.stdout.write(`seeds from ${first}\n`)
  for (let seed = first; Date.now() < end; seed++) {
    for (const target of Fuzz.targets) {
      const { counterexample } = fc.check(
        fc.property(target.input, (input) => Fuzz.problem(target, input) === undefined),
        { seed, numRuns: 200 }
      )
      runs += 200
      if (counterexample !== null) {
        const [input] = counterexample
        expect.fail(report(target.name, seed, input, Fuzz.problem(target, input)))
      }
      // Lets Vitest receive progress.
      await new Promise((resume) => setImmediate(resume))
    }
  }
  process.stdout.write(`${runs} inputs without a failure\n`)
}, (seconds + 60) * 1000)
