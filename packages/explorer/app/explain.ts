/** Errors as sentences: what happened, and what the user can do. */
import { RealmRefused, TransportError } from "@effect-oci/core/RegistryError"
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import { LayerRefused } from "./decompress.js"
import { plain } from "./format.js"

/** What may go wrong: an error of a registry, of a layer, or of the page itself. */
export type Failed = RegistryError | Error

/** Returns the tag of an error of a registry. */
export const kindOf = (error: Failed): RegistryError["_tag"] | undefined => "_tag" in error ? error._tag : undefined

export interface Explanation {
  readonly what: string
  readonly advice: string
}

/** The reasons why a browser gets no answer. It does not say them, so the page finds out by other requests. */
export type Silence = "offline" | "policy" | "cors" | "broken" | "unreachable"

const refused = new Set<string>()

/** Remembers the origins that the Content-Security-Policy of the page does not allow. */
export const watchPolicy = (): void =>
  document.addEventListener("securitypolicyviolation", ({ blockedURI, effectiveDirective }) => {
    if (effectiveDirective === "connect-src" && URL.canParse(blockedURI)) refused.add(new URL(blockedURI).origin)
  })

/** Finds out why a registry did not answer. */
export const diagnose = (origin: string): Effect.Effect<Silence> => {
  if (!navigator.onLine) return Effect.succeed("offline")
  const answers = (mode: RequestMode) =>
    Effect.promise((signal) =>
      fetch(`${origin}/v2/`, { mode, credentials: "omit", cache: "no-store", signal }).then(() => true, () => false)
    )
  return Effect.gen(function*() {
    if (yield* answers("cors")) return "broken"
    // Without CORS, a browser sends the request too, and says only whether there was an answer.
    const hasAnswered = yield* answers("no-cors")
    return refused.has(origin) ? "policy" : hasAnswered ? "cors" : "unreachable"
  })
}

/** Explains why a registry did not answer. */
export const silent = (silence: Silence, origin: string): Explanation => {
  const host = plain(origin)
  switch (silence) {
    case "offline":
      return { what: "This device is offline.", advice: "The page continues when the network is back." }
    case "policy":
      return {
        what: `This page may not connect to ${host}.`,
        advice:
          "The server of the page decides which registries the page may call: its operator adds the address to the " +
          "option `connect` of the explorer."
      }
    case "cors":
      return {
        what: `${host} answers, but it does not allow this page to read its answers (CORS).`,
        advice:
          `Its operator can allow the origin ${location.origin}, with the methods GET, HEAD, POST, PUT, PATCH and ` +
          "DELETE, and the request headers Authorization, Accept and Content-Type."
      }
    case "broken":
      return {
        what: `${host} answers, but the browser could not read this answer.`,
        advice:
          "The connection may have broken off: try again. Or the registry does not allow this kind of request to the " +
          "page (CORS), or declares a Content-Encoding that its content does not have."
      }
    case "unreachable":
      return {
        what: `${host} does not answer.`,
        advice: "Check the address, and that the registry is running and reachable from this device. A page on https " +
          "cannot call a registry on http."
      }
  }
}

/** Explains an error of a registry. `silence` is why the registry did not answer, if that is known. */
export const explain = (error: Failed, origin: string, silence: Silence = "unreachable"): Explanation => {
  if (error instanceof LayerRefused) return { what: error.message, advice: "" }
  if (!("_tag" in error)) {
    return { what: "The page has failed.", advice: "Reload it. If that does not help, report the details below." }
  }
  if (error instanceof TransportError) return silent(silence, origin)
  if (error instanceof RealmRefused) {
    return {
      what: `The registry wants your password to go to another server: ${plain(error.realm)}.`,
      advice: "Log in, and allow that server there if you trust it."
    }
  }
  switch (kindOf(error)) {
    case "OciUnauthorized":
      return { what: "The registry wants to know who you are.", advice: "Log in with your user name and password." }
    case "OciDenied":
      return {
        what: "The registry does not allow this to the user that you are.",
        advice: "Log in as another user, or ask the owner of the repository for access."
      }
    case "OciNameUnknown":
      return {
        what: "The registry has no such repository, or you may not see it.",
        advice: "Check the name, or log in."
      }
    case "OciManifestUnknown":
      return {
        what: "The repository has no such tag or manifest.",
        advice: "It may have been deleted. Go back to the tags of the repository."
      }
    case "OciBlobUnknown":
      return { what: "The registry does not have this content.", advice: "Push the image again to restore it." }
    case "OciUnsupported":
      return { what: "The registry does not support this.", advice: "Its operator may have turned it off." }
    case "OciTooManyRequests":
      return { what: "The registry asks to send fewer requests.", advice: "Wait for a minute, then try again." }
    case "OciUnavailable":
      return { what: "The registry is not available at the moment.", advice: "Try again in a minute." }
    case "OciDigestInvalid":
    case "OciSizeInvalid":
      return {
        what: "The content is not what its digest says. The page does not show it.",
        advice: "The registry is damaged, or something changed the content on its way. Report this to its operator."
      }
    case "OciManifestInvalid":
      return {
        what: "The manifest is malformed, or different programs would read it differently.",
        advice: "The details say what is wrong. Push the image again with another program."
      }
    default:
      return { what: "The registry did not do this.", advice: "The details say why." }
  }
}
