/** Errors as sentences: what happened, and what the user can do. */
import type { RegistryError } from "@effect-oci/core/RegistryError"
import * as Effect from "effect/Effect"
import { LayerRefused } from "./decompress.js"
import { count, plain } from "./format.js"

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
          "DELETE, the request headers Authorization, Accept, Content-Type, Content-Range and Range, and the response " +
          "headers Docker-Content-Digest, Link, Location, Range and WWW-Authenticate."
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

/** The errors of a registry that are explained by their kind alone. */
const explanations: { readonly [kind in Exclude<RegistryError["_tag"], "OciTransportError">]: Explanation } = {
  OciUnauthorized: {
    what: "The registry wants to know who you are.",
    advice: "Log in with your user name and password."
  },
  OciDenied: {
    what: "The registry does not allow this to the user that you are.",
    advice: "Log in as another user, or ask the owner of the repository for access."
  },
  OciNameUnknown: {
    what: "The registry has no such repository, or you may not see it.",
    advice: "Check the name, or log in."
  },
  OciManifestUnknown: {
    what: "The repository has no such tag or manifest.",
    advice: "It may have been deleted. Go back to the tags of the repository."
  },
  OciBlobUnknown: {
    what: "The registry does not have this content.",
    advice: "Push the image again to restore it."
  },
  OciManifestBlobUnknown: {
    what: "The registry does not have all that this manifest contains.",
    advice: "Push or copy the image again, with all its layers."
  },
  OciUnsupported: {
    what: "The registry does not support this.",
    advice: "Its operator may have turned it off."
  },
  OciTooManyRequests: {
    what: "The registry asks for fewer requests.",
    advice: "Wait for a minute, then try again."
  },
  OciUnavailable: {
    what: "The registry is not available at the moment.",
    advice: "Try again in a minute."
  },
  OciDigestInvalid: {
    what: "The content is not what its digest says. The page does not use it.",
    advice: "The registry is damaged, or something changed the content on its way. Report this to its operator."
  },
  OciSizeInvalid: {
    what: "The content has not the size that its descriptor says. The page does not use it.",
    advice: "The registry is damaged, or something changed the content on its way. Report this to its operator."
  },
  OciManifestInvalid: {
    what: "The manifest is malformed, or different programs would read it differently.",
    advice: "The details say what is wrong. Push the image again with another program."
  },
  OciManifestUnverified: {
    what: "The registry wants a signature in the manifest, as very old registries do.",
    advice: "Ask its operator to update it, or use another registry."
  },
  OciNameInvalid: {
    what: "The registry does not accept this name of a repository.",
    advice: "Choose another name: small letters and digits, in parts that a slash separates."
  },
  OciTagInvalid: {
    what: "The registry does not accept this tag.",
    advice: "Choose another one: letters, digits, dots and dashes, at most 128."
  },
  OciBlobUploadUnknown: {
    what: "The registry has ended this upload.",
    advice: "Start it again. The registry may limit how long an upload takes."
  },
  OciBlobUploadInvalid: {
    what: "The registry cannot continue this upload.",
    advice: "Start it again."
  },
  OciRangeInvalid: {
    what: "The registry has more or less of this content than the page expects.",
    advice: "Try again from the start."
  },
  OciBodyFailed: {
    what: "The file cannot be read.",
    advice: "It may have been changed, moved or deleted: choose it again."
  },
  OciResponseInvalid: {
    what: "The answer is not that of a registry.",
    advice: "Check the address. If it is right, report the details to its operator."
  },
  OciRealmRefused: {
    what: "The registry wants your password to go to another server.",
    advice: "Log in, and allow that server there if you trust it."
  },
  OciCredentialError: {
    what: "The user name and password cannot be sent.",
    advice: "Log out, and type them again."
  },
  OciTagConflict: {
    what: "The registries behind this one disagree about this tag.",
    advice: "Open the manifest by its digest, or ask the operator which one is right."
  },
  OciPartialFailure: {
    what: "Only some of the registries behind this one did this.",
    advice: "Try again. If that does not help, report the details to the operator."
  },
  OciRefused: {
    what: "A rule of the registry refuses this.",
    advice: "The details say which. Its operator can change the rule."
  },
  OciUnknownCode: {
    what: "The registry refuses this for a reason of its own.",
    advice: "The details contain what it says."
  }
}

/** Explains an error whose meaning depends on more than its kind. */
const special = (error: RegistryError): Explanation | undefined => {
  switch (error._tag) {
    case "OciRealmRefused":
      return {
        ...explanations.OciRealmRefused,
        what: `The registry wants your password to go to another server: ${plain(error.realm)}.`
      }
    case "OciDenied":
      return error.status === 412
        ? { what: "The tag exists already.", advice: "Choose another tag, or allow that it is moved." }
        : error.status === 507
        ? { what: "The registry has no room for this.", advice: "Delete something, or ask its operator for more room." }
        : undefined
    case "OciTooManyRequests":
    case "OciUnavailable":
      return error.retryAfter === undefined || error.retryAfter > 86_400_000 ? undefined : {
        ...explanations[error._tag],
        advice: `Wait for ${count(Math.max(1, Math.ceil(error.retryAfter / 1000)), "second")}, then try again.`
      }
    case "OciSizeInvalid":
      return error.status === 413
        ? { what: "This is larger than the registry takes.", advice: "Its operator may raise the limit." }
        : error.limit !== undefined
        ? { what: "This is larger than the page reads.", advice: "Pull it with one of the commands for that." }
        : undefined
    default:
      return undefined
  }
}

/** Explains an error of a registry. `silence` is why the registry did not answer, if that is known. */
export const explain = (error: Failed, origin: string, silence: Silence = "unreachable"): Explanation => {
  if (error instanceof LayerRefused) return { what: error.message, advice: "" }
  if (!("_tag" in error)) {
    return { what: "The page has failed.", advice: "Reload it. If that does not help, report the details below." }
  }
  return error._tag === "OciTransportError" ? silent(silence, origin) : special(error) ?? explanations[error._tag]
}
