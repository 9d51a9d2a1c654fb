/**
 * The law of explanations: what `Explain` reports of a program is what the program then asks.
 *
 * @since 0.1.0
 */
import * as Client from "@effect-oci/client/Client"
import type { Handler } from "@effect-oci/core/Handler"
import * as Enforce from "@effect-oci/explain/Enforce"
import * as Explain from "@effect-oci/explain/Explain"
import type * as Explanation from "@effect-oci/explain/Explanation"
import * as Memory from "@effect-oci/store/Memory"
import * as Transport from "@effect-oci/transport/Transport"
import * as HttpClient from "@effect/platform/HttpClient"
import * as Effect from "effect/Effect"
import * as judging from "./internal/judge.js"
import { operation as codeOf } from "./internal/print.js"
import type { Response } from "./internal/response.js"
import type { Script } from "./internal/script.js"
import * as scripts from "./internal/script.js"
import { search } from "./internal/trial.js"
import type { Trial } from "./internal/trial.js"
import { LawBroken } from "./Law.js"
import type { Options as LawOptions } from "./Law.js"
import { open } from "./Laws.js"

/**
 * A function that explains a program, such as `Explain.run`.
 *
 * @since 0.1.0
 * @category models
 */
export interface Explaining {
  <A, E>(
    program: Effect.Effect<A, E, HttpClient.HttpClient>
  ): Effect.Effect<Explain.Explained<A, E>, never, HttpClient.HttpClient>
}

/**
 * Options for {@link explained}.
 *
 * @since 0.1.0
 * @category models
 */
export interface Options extends Omit<LawOptions, "messages"> {
  /** How programs are explained. Default: `Explain.run`. */
  readonly explain?: Explaining | undefined
}

const host = "registry.test"

/** Records the requests that are sent, with `{id}` in place of the ids of upload sessions. */
const recording = (requests: Array<string>): Transport.Transport =>
  Transport.make((request, send) => {
    const { origin, pathname, search } = new URL(request.url)
    const path = pathname.replace(/(\/blobs\/uploads\/).+$/, "$1{id}")
    requests.push(`${request.method} ${origin}${path}${decodeURIComponent(search)}`)
    return send(request)
  })

const linesOf = ({ requests }: Explanation.Explanation): ReadonlyArray<string> =>
  requests.flatMap(({ count, method, path, registry }) =>
    Array.from({ length: count }, () => `${method} ${registry}${path}`)
  )

/** What an explanation and the program after it have in common, and what not. */
interface Verdict {
  readonly explained: ReadonlyArray<string>
  readonly asked: ReadonlyArray<string>
  /** Whether the explanation changed the registry. */
  readonly changed: boolean
  /** The responses that were refused when the program was held to its explanation. */
  readonly refused: ReadonlyArray<Response>
}

/** Reads everything that a registry contains, as the lines of a script do. */
const contentsOf = (handle: Handler, script: Script) =>
  Effect.map(
    Effect.forEach(
      script.filter(({ operation: { _tag } }) => _tag !== "GetBlob" && /^(?:List|Resolve|Get[BM])/.test(_tag)),
      judging.runner(handle, handle)
    ),
    (responses) => JSON.stringify(responses)
  )

const judge = (options: Options, script: Script): Effect.Effect<Verdict> =>
  Effect.gen(function*() {
    const registry = yield* open(options.backend?.() ?? Memory.layer())
    // The first half fills the registry: the program is the second half.
    const half = Math.floor(script.length / 2)
    const fill = judging.runner(registry.handle, registry.handle)
    yield* Effect.forEach(script.slice(0, half), fill)
    const program = Effect.gen(function*() {
      const { handle } = yield* Effect.orDie(Client.make({ host }))
      return yield* Effect.forEach(script.slice(half), judging.runner(handle, handle))
    })
    const offline = Explain.httpClient({ [host]: registry })
    const before = yield* contentsOf(registry.handle, script)
    const { explanation } = yield* Effect.provideService(
      (options.explain ?? Explain.run)(program),
      HttpClient.HttpClient,
      offline
    )
    const changed = before !== (yield* contentsOf(registry.handle, script))
    const asked: Array<string> = []
    const held = Enforce.transport({ explanation, by: "requests" })(recording(asked)(offline))
    const responses = yield* Effect.provideService(program, HttpClient.HttpClient, held)
    return {
      explained: linesOf(explanation).toSorted(),
      asked: asked.toSorted(),
      changed,
      refused: responses.filter(({ error }) => error === "OciRefused")
    }
  }).pipe(Effect.scoped)

const isAgreement = ({ asked, changed, explained, refused }: Verdict): boolean =>
  !changed && refused.length === 0 && explained.join("\n") === asked.join("\n")

/** Returns the script with what was explained and what was asked. */
const print = (script: Script, { asked, changed, explained, refused }: Verdict): string => {
  const without = (all: ReadonlyArray<string>, others: ReadonlyArray<string>) => {
    const left = [...others]
    return all.filter((each) => {
      const at = left.indexOf(each)
      if (at >= 0) left.splice(at, 1)
      return at < 0
    })
  }
  return [
    ...script.map(({ operation }, at) =>
      `${at < Math.floor(script.length / 2) ? "before" : "program"}: ${codeOf(operation)}`
    ),
    ...without(explained, asked).map((line) => `explained, but not asked: ${line}`),
    ...without(asked, explained).map((line) => `asked, but not explained: ${line}`),
    ...changed ? ["the explanation changed the registry"] : [],
    ...refused.map(({ message }) => `refused: ${message ?? ""}`)
  ].join("\n")
}

/**
 * Checks for random programs that what is explained is then asked: the program makes the same requests, as often. In
 * addition, the explanation changes nothing, and the program runs when it is held to its explanation.
 *
 * @since 0.1.0
 * @category laws
 */
export const explained = (options: Options = {}): Effect.Effect<void, LawBroken> => {
  const trialOf = (plan: scripts.Plan): Trial => ({
    law: "a program sends the requests that were explained",
    script: scripts.write(plan, judging.stage([])),
    holds: (script) => Effect.runPromise(Effect.map(judge(options, script), isAgreement)),
    print: (script) => Effect.runPromise(Effect.map(judge(options, script), (verdict) => print(script, verdict))),
    simpler: () => []
  })
  return Effect.flatMap(
    search(scripts.plan(options.maxLength ?? 25).map(trialOf), {
      runs: options.runs ?? 100,
      seed: options.seed ?? 20_261_130
    }),
    (failure) => failure === undefined ? Effect.void : Effect.fail(new LawBroken(failure))
  )
}
