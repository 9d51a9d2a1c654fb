/**
 * Registries that mean harm, and a watch over what a client tells them, and everybody else.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Scope from "effect/Scope"
import { printed, printedCause, recording } from "./internal/recording.js"
import { formsOf, tells } from "./internal/secretForms.js"

/**
 * A request as it came.
 *
 * @since 0.1.0
 * @category models
 */
export interface Asked {
  readonly method: string
  /** The path and the query. */
  readonly target: string
  /** Every header, in lower case, in the order in which they came. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  /** The body, at most 1 MiB of it. */
  readonly body: string
}

/**
 * The value of a header, of which there is one.
 *
 * @since 0.1.0
 * @category getters
 */
export const header = ({ headers }: Asked, name: string): string | undefined =>
  headers.find(([other]) => other === name)?.[1]

/**
 * What is answered. `ending` says what becomes of the connection after the body, where the answer does not just end: it
 * stays open (`stall`), is closed (`break`), or gets the body again and again (`repeat`).
 *
 * @since 0.1.0
 * @category models
 */
export interface Answer {
  readonly status: number
  readonly headers?: { readonly [name: string]: string | ReadonlyArray<string> } | undefined
  readonly body?: string | Uint8Array | undefined
  readonly ending?: "stall" | "break" | "repeat" | undefined
}

/**
 * What a site answers to the request of this number, from 0.
 *
 * @since 0.1.0
 * @category models
 */
export type Script = (asked: Asked, count: number) => Answer

/**
 * Somebody on the network.
 *
 * @since 0.1.0
 * @category models
 */
export interface Site {
  /** `https://registry.example:40123` */
  readonly origin: string
  /** `registry.example:40123` */
  readonly host: string
  readonly port: number
  /** What it was asked so far. */
  readonly asked: ReadonlyArray<Asked>
  /** `GET /path` of what it was asked so far. */
  readonly lines: () => ReadonlyArray<string>
  /** How many connections are open. */
  readonly connections: () => number
  /** How many answers have neither come to their end, nor been broken off. */
  readonly pending: () => number
}

/**
 * What goes wrong with a secret: a sentence each.
 *
 * @since 0.1.0
 * @category errors
 */
export class Leaks extends Data.TaggedError("Leaks")<{ readonly leaks: ReadonlyArray<string> }> {
  override get message() {
    return this.leaks.join("\n")
  }
}

/**
 * A network of one's own, and a watch over it.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Somebody who listens on an address of this machine, under a name that leads there, on a port of his own. */
  readonly site: (
    options: { readonly host: string; readonly tls?: boolean | undefined },
    script: Script
  ) => Effect.Effect<Site, never, Scope.Scope>
  /** The addresses of a name, each time that it is asked for; the last for ever. That of a site where it is not said. */
  readonly resolvesTo: (host: string, ...answers: ReadonlyArray<ReadonlyArray<string>>) => void
  /** The addresses that a name has this time. */
  readonly resolve: (host: string) => ReadonlyArray<string>
  /** The certificate, in PEM, that the sites on TLS have. */
  readonly certificate: string
  /**
   * A new secret, which only its owners may come to see. One of them has to, or else it is said why none does: then none
   * may.
   */
  readonly secret: (options?: { readonly unsent?: string | undefined }) => string
  /** Says whose a secret is. */
  readonly belongs: (secret: string, ...owners: ReadonlyArray<Site>) => void
  /** How an effect ends, of which all is looked at that it gives or fails with. */
  readonly ask: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Exit.Exit<A, E>, never, R>
}

/**
 * {@link Service}; `NodeEvilRegistry.layer` has one.
 *
 * @since 0.1.0
 * @category services
 */
export class EvilRegistry extends Context.Tag("@effect-oci/conformance/EvilRegistry")<EvilRegistry, Watched>() {}

/**
 * A service, and what its watch has seen.
 *
 * @since 0.1.0
 * @category models
 */
export interface Watched extends Service {
  /** Runs an effect where all that it logs and traces is looked at. */
  readonly record: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** What is wrong so far. */
  readonly leaks: () => ReadonlyArray<string>
}

interface Known {
  readonly forms: ReadonlyArray<string>
  readonly owners: Set<Site>
  readonly unsent: string | undefined
}

/**
 * A service over a network.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (network: Pick<Service, "site" | "resolve" | "resolvesTo" | "certificate">): Watched => {
  const sites: Array<Site> = []
  const secrets = new Map<string, Known>()
  const notes: Array<readonly [place: string, text: string]> = []
  const note = (place: string, text: string) => {
    notes.push([place, text])
  }
  let asks = 0

  const sent = (known: Known) =>
    sites.flatMap((site) =>
      site.asked.flatMap((asked) => placesOf(asked, known.forms).map((place) => ({ site, asked, place })))
    )

  const leaksOf = (name: string, known: Known): ReadonlyArray<string> => {
    const found = sent(known)
    const strayed = found.filter(({ site }) => !known.owners.has(site))
    const arrived = found.length > strayed.length
    return [
      ...strayed.map(({ asked, place, site }) =>
        `${name} was sent to ${site.origin}, which is not its owner: ${place} of ${asked.method} ${asked.target}`
      ),
      ...notes.flatMap(([place, text]) => tells(text, known.forms) ? [`${name} is told by ${place}: ${text}`] : []),
      ...(arrived || known.unsent !== undefined ? [] : [`${name} came to none of its owners, and nothing says why`]),
      ...(arrived && known.unsent !== undefined ? [`${name} came to its owner, though: ${known.unsent}`] : [])
    ]
  }

  return {
    ...network,
    site: (options, script) => Effect.tap(network.site(options, script), (site) => sites.push(site)),
    secret: (options) => {
      // Told apart from one test to the next, and random for nobody.
      const secret = `CANARY-${secrets.size + 1}-6fGz0Qw9${secrets.size}TkVx`
      secrets.set(secret, { forms: formsOf(secret), owners: new Set(), unsent: options?.unsent })
      return secret
    },
    belongs: (secret, ...owners) => {
      for (const owner of owners) secrets.get(secret)?.owners.add(owner)
    },
    ask: (effect) =>
      Effect.tap(Effect.exit(effect), (exit) =>
        Effect.sync(() => {
          asks++
          if (Exit.isSuccess(exit)) note("a result", printed(exit.value))
          else note("an error", printedCause(exit.cause))
        })),
    record: recording(note),
    leaks: () => [
      ...(secrets.size === 0 ? ["there is no secret to be told"] : []),
      ...(asks === 0 ? ["nothing was asked that could tell one"] : []),
      ...[...secrets.values()].flatMap((known, index) => leaksOf(`secret ${index + 1}`, known))
    ]
  }
}

/** The parts of a request that tell a secret. */
const placesOf = ({ body, headers, method, target }: Asked, forms: ReadonlyArray<string>): ReadonlyArray<string> =>
  [
    ["the method", method],
    ["the URL", target],
    ...headers.map(([name, value]) => [`the header ${name}`, `${name}: ${value}`]),
    ["the body", body]
  ].flatMap(([place = "", text = ""]) => tells(text, forms) ? [place] : [])

/**
 * An effect that fails with {@link Leaks} where a secret came to somebody else than its owners, in whatever form, or can
 * be found in a log line, in a span, or in what was asked for, as it is or printed; and where one did not come to its
 * owners, so that the test shows nothing.
 *
 * @since 0.1.0
 * @category combinators
 */
export const watched = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E | Leaks, R | EvilRegistry> =>
  Effect.flatMap(
    EvilRegistry,
    (evil) =>
      Effect.flatMap(Effect.exit(evil.record(effect)), (exit): Effect.Effect<A, E | Leaks> => {
        const leaks = evil.leaks()
        if (leaks.length === 0) return exit
        const failure = Exit.isFailure(exit) ? Cause.pretty(exit.cause).split("\n")[0] : undefined
        return Effect.fail(new Leaks({ leaks: failure === undefined ? leaks : [failure, ...leaks] }))
      })
  )
