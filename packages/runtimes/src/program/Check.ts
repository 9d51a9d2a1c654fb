/** What the program checks in a runtime. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type * as HttpClient from "@effect/platform/HttpClient"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

/** The servers that the program uses, on 127.0.0.1. */
export interface Settings {
  /** `host:port` of a registry that everyone may use. */
  readonly registry: string
  /** `host:port` of a registry that redirects downloads of blobs to `registry`. */
  readonly redirecting: string
  /** `host:port` of a registry that requires tokens, and issues them for the user and the password. */
  readonly guarded: string
  readonly user: string
  readonly password: string
  /** The URL of an S3 service, with the bucket `bucket`. */
  readonly s3: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  /** The descriptor of the large blob, which `registry` has in a repository of its own. */
  readonly large: Descriptor
  /** The names of the checks to run. */
  readonly checks: ReadonlyArray<string>
}

/** A function that answers requests, as `fetch` events and the servers of several runtimes call it. */
export type FetchHandler = (request: Request) => Promise<Response>

/** What a runtime offers in addition to the standard APIs of the web. */
export interface Platform {
  /** Serves requests by a handler, and returns the URL of the server. Absent if the runtime has no such function. */
  readonly serve?: ((handler: FetchHandler) => Effect.Effect<string, never, Scope.Scope>) | undefined
}

export interface World {
  readonly settings: Settings
  readonly platform: Platform
  /** Runs the conformance suite against a URL from another process. Returns the failures. */
  readonly conformance: (url: string) => Effect.Effect<ReadonlyArray<string>, unknown, HttpClient.HttpClient>
}

/** The check cannot run in this runtime. */
export class Unavailable extends Data.TaggedError("Unavailable")<{ readonly reason: string }> {}

export interface Check {
  /** What works if the check passes. */
  readonly name: string
  /** Whether the check is part of the short run. */
  readonly quick?: boolean
  /** Whether the process must use little memory meanwhile. */
  readonly bounded?: boolean
  readonly run: (world: World) => Effect.Effect<void, unknown, HttpClient.HttpClient | Scope.Scope>
}

/** Fails unless the condition is true. */
export const assert: (condition: boolean, message: string) => asserts condition = (condition, message) => {
  if (!condition) throw new Error(message)
}

/** What the program reports. */
export type Event =
  | { readonly _tag: "Started"; readonly check: string }
  | { readonly _tag: "Ended"; readonly check: string; readonly result: Result }
  | { readonly _tag: "Finished"; readonly error?: string }

/** The outcome of a check. */
export type Result =
  | { readonly _tag: "Works" }
  | { readonly _tag: "Fails"; readonly reason: string }
  | { readonly _tag: "Unavailable"; readonly reason: string }
