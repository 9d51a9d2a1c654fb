import { describe, expect, it } from "@effect/vitest"
import * as model from "./protocol/model.js"

interface Result {
  readonly states: number
  readonly problem: string | undefined
  /** The steps that lead to the problem. */
  readonly trace: ReadonlyArray<string>
}

interface Step {
  readonly actor: string
  readonly before: Step | undefined
}

const traceOf = (step: Step | undefined): ReadonlyArray<string> =>
  step === undefined ? [] : [...traceOf(step.before), step.actor]

/** Runs the actors of the model in every order, from every state that can be reached. Stops at the first problem. */
const explore = (settings: model.Settings): Result => {
  const actors = Object.entries(model.steps(settings))
  const seen = new Set<string>()
  const stack: Array<{ readonly state: model.State; readonly step: Step | undefined }> = [
    { state: model.initial, step: undefined }
  ]
  for (let item = stack.pop(); item !== undefined; item = stack.pop()) {
    const { state, step } = item
    const id = JSON.stringify(state)
    if (seen.has(id)) continue
    seen.add(id)
    const problemNow = model.problemOf(state)
    let isEnd = true
    for (const [actor, next] of actors) {
      const after = next(state)
      if (after === undefined) continue
      isEnd = false
      stack.push({ state: after, step: { actor, before: step } })
    }
    const problem = problemNow ?? (isEnd ? model.problemAtEnd(state, settings) : undefined)
    if (problem !== undefined) return { states: seen.size, problem, trace: traceOf(step) }
  }
  return { states: seen.size, problem: undefined, trace: [] }
}

const exploreAll = (locks: model.Settings["locks"], mistake?: model.Mistake): ReadonlyArray<Result> =>
  [false, true].map((deletesBlob) => explore({ locks, mistake, deletesBlob }))

const always: ReadonlyArray<model.Mistake> = [
  "HEAD does not renew the lease",
  "the collector ignores the lease",
  "the collector drops the review of content with a lease",
  "the delete of a manifest schedules no review",
  "the push of a blob schedules no review",
  "a key is used twice",
  "a blob is linked before its bytes are stored",
  "garbage is forgotten before its bytes are deleted, and the collector crashes"
]

const withRows: ReadonlyArray<model.Mistake> = [
  "HEAD reads, and renews the lease later",
  "the push of a manifest does not lock its blobs",
  "a delete does not lock the blob",
  "a delete continues although there is no row to lock",
  "the collector does not lock the blob",
  "the collector checks before it locks",
  "the collector writes although the review has changed"
]

describe("the protocol of pushes, deletes and the collector", () => {
  it.each(["one writer", "rows"] as const)(
    "keeps what is needed and removes the rest, in any order, with locks of %s",
    (locks) => {
      for (const { problem, states, trace } of exploreAll(locks)) {
        expect({ problem, trace }).toEqual({ problem: undefined, trace: [] })

        expect(states).toBeGreaterThan(5000)
      }
    }
  )

  it.each(
    [
      ...always.flatMap((mistake) => (["one writer", "rows"] as const).map((locks) => [mistake, locks] as const)),
      ...withRows.map((mistake) => [mistake, "rows"] as const)
    ]
  )("finds the mistake: %s, with locks of %s", (mistake, locks) => {
    expect(exploreAll(locks, mistake).some(({ problem }) => problem !== undefined)).toBe(true)
  })
})
