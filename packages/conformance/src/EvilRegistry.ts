/**
 * Malicious registries for tests, and a monitor that detects where a client leaks secrets.
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
import { formsOf, reveals } from "./internal/secretForms.js"

/**
 * A request that a site received.
 *
 * @since 0.1.0
 * @category models
 */
export interface Request {
  readonly method: string
  /** The path and the query. */
  readonly target: string
  /** All headers in the order received. The names are in lower case. */
  readonly headers: ReadonlyArray<readonly [name: string, value: string]>
  /** The body. Content after the first 1 MiB is dropped. */
  readonly body: string
}

/**
 * Returns the value of the first header with this name (in lower case), or `undefined` if absent.
 *
 * @since 0.1.0
 * @category getters
 */
export const header = ({ headers }: Request, name: string): string | undefined =>
  headers.find(([other]) => other === name)?.[1]

/**
 * The response of a site. `ending` says what happens after the body instead of the normal end: the connection stays open
 * (`stall`), is closed (`break`), or receives the body again and again (`repeat`).
 *
 * @since 0.1.0
 * @category models
 */
export interface Response {
  readonly status: number
  readonly headers?: { readonly [name: string]: string | ReadonlyArray<string> } | undefined
  readonly body?: string | Uint8Array | undefined
  readonly ending?: "stall" | "break" | "repeat" | undefined
}

/**
 * A function that returns the response of a site to a request. `count` is the number of the request, counted from 0.
 *
 * @since 0.1.0
 * @category models
 */
export type Script = (request: Request, count: number) => Response

/**
 * A site on the test network: an HTTP or HTTPS server.
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
  /** The requests received so far. */
  readonly requests: ReadonlyArray<Request>
  /** Returns the method and the target of each request so far: `GET /path`. */
  readonly lines: () => ReadonlyArray<string>
  /** Returns the number of open connections. */
  readonly connections: () => number
  /** Returns the number of responses that have neither ended nor been aborted. */
  readonly pending: () => number
}

/**
 * Secrets leaked, or the test cannot prove that they did not. Each entry is a sentence.
 *
 * @since 0.1.0
 * @category errors
 */
export class Leaks extends Data.TaggedError("OciLeaks")<{ readonly leaks: ReadonlyArray<string> }> {
  override get message() {
    return this.leaks.join("\n")
  }
}

/**
 * A test network of sites, and a monitor of its secrets.
 *
 * @since 0.1.0
 * @category models
 */
export interface Service {
  /** Starts a site on an address of this machine, with a port of its own. The host name resolves to that address. */
  readonly site: (
    options: { readonly host: string; readonly tls?: boolean | undefined },
    script: Script
  ) => Effect.Effect<Site, never, Scope.Scope>
  /**
   * Sets the addresses of a host name, one answer for each lookup. The last answer repeats. Default: the address of the
   * site.
   */
  readonly resolvesTo: (host: string, ...answers: ReadonlyArray<ReadonlyArray<string>>) => void
  /** Returns the addresses of a host name for this lookup. */
  readonly resolve: (host: string) => ReadonlyArray<string>
  /** The certificate of the HTTPS sites, in PEM. */
  readonly certificate: string
  /**
   * Creates a secret that only its owners may receive. At least one owner must receive the secret. If `unsent` gives a
   * reason why none does, no owner may receive it.
   */
  readonly secret: (options?: { readonly unsent?: string | undefined }) => string
  /** Adds owners of a secret. */
  readonly belongs: (secret: string, ...owners: ReadonlyArray<Site>) => void
  /** Runs an effect and returns its exit. The monitor searches the result or error for secrets. */
  readonly run: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<Exit.Exit<A, E>, never, R>
}

/**
 * The service tag of the test network. `NodeEvilRegistry.layer` provides it on Node.
 *
 * @since 0.1.0
 * @category services
 */
export class EvilRegistry extends Context.Tag("@effect-oci/conformance/EvilRegistry")<EvilRegistry, Watched>() {}

/**
 * A test network with access to its monitor.
 *
 * @since 0.1.0
 * @category models
 */
export interface Watched extends Service {
  /** Runs an effect. The monitor searches its log lines and spans for secrets. */
  readonly record: <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>
  /** Returns the problems found so far. */
  readonly leaks: () => ReadonlyArray<string>
}

interface Known {
  readonly forms: ReadonlyArray<string>
  readonly owners: Set<Site>
  readonly unsent: string | undefined
}

/**
 * Creates the monitored service from a network.
 *
 * @since 0.1.0
 * @category constructors
 */
export const make = (network: Pick<Service, "site" | "resolve" | "resolvesTo" | "certificate">): Watched => {
  const sites: Array<Site> = []
  const secrets = new Map<string, Known>()
  const notes: Array<readonly [source: string, text: string]> = []
  const note = (source: string, text: string) => {
    notes.push([source, text])
  }
  let runs = 0

  const sent = (known: Known) =>
    sites.flatMap((site) =>
      site.requests.flatMap((request) => partsOf(request, known.forms).map((part) => ({ site, request, part })))
    )

  const leaksOf = (name: string, known: Known): ReadonlyArray<string> => {
    const found = sent(known)
    const strayed = found.filter(({ site }) => !known.owners.has(site))
    const arrived = found.length > strayed.length
    return [
      ...strayed.map(({ part, request, site }) =>
        `${name} was sent to ${site.origin}, which is not its owner: ${part} of ${request.method} ${request.target}`
      ),
      ...notes.flatMap(([source, text]) => reveals(text, known.forms) ? [`${name} appears in ${source}: ${text}`] : []),
      ...(arrived || known.unsent !== undefined
        ? []
        : [`${name} was sent to none of its owners, and the test gives no reason (unsent)`]),
      ...(arrived && known.unsent !== undefined
        ? [`${name} was sent to its owner, but the test says that it is not sent: ${known.unsent}`]
        : [])
    ]
  }

  return {
    ...network,
    site: (options, script) => Effect.tap(network.site(options, script), (site) => sites.push(site)),
    secret: (options) => {
      // Different for each secret of a test, but not random, so that failures are reproducible.
      const secret = `CANARY-${secrets.size + 1}-6fGz0Qw9${secrets.size}TkVx`
      secrets.set(secret, { forms: formsOf(secret), owners: new Set(), unsent: options?.unsent })
      return secret
    },
    belongs: (secret, ...owners) => {
      for (const owner of owners) secrets.get(secret)?.owners.add(owner)
    },
    run: (effect) =>
      Effect.tap(Effect.exit(effect), (exit) =>
        Effect.sync(() => {
          runs++
          if (Exit.isSuccess(exit)) note("a result", printed(exit.value))
          else note("an error", printedCause(exit.cause))
        })),
    record: recording(note),
    leaks: () => [
      ...(secrets.size === 0 ? ["the test created no secret"] : []),
      ...(runs === 0 ? ["the test ran no effect with EvilRegistry.run"] : []),
      ...[...secrets.values()].flatMap((known, index) => leaksOf(`secret ${index + 1}`, known))
    ]
  }
}

/** Returns the parts of a request that contain a secret. */
const partsOf = ({ body, headers, method, target }: Request, forms: ReadonlyArray<string>): ReadonlyArray<string> =>
  [
    ["the method", method],
    ["the URL", target],
    ...headers.map(([name, value]) => [`the header ${name}`, `${name}: ${value}`]),
    ["the body", body]
  ].flatMap(([part = "", text = ""]) => reveals(text, forms) ? [part] : [])

/**
 * Runs an effect, and fails with {@link Leaks} if a secret leaked in any encoding: to a site that is not its owner, to
 * a log line, to a span, or to a result or error of {@link Service.run}, also when printed. Also fails if a secret
 * reached none of its owners, because the test then proves nothing.
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
