/** Error messages of a failed copy, in one line: on which side it failed, what happened, and what to do. */
import { Answer, printable, Registry, RegistryError } from "@effect-oci/core"
import { Data, Predicate } from "effect"
import type { Location } from "./locations.js"

export type Side = "source" | "target"

/** The error of a failed copy. `side` is where it failed: at the source, at the target, or `undefined` if unknown. */
export class CopyFailed extends Data.TaggedError("CopyFailed")<{
  readonly side: Side | undefined
  readonly location: Location
  readonly error: unknown
}> {
  override get message(): string {
    const location = printable(this.location.text, 300)
    const verb = this.side === undefined
      ? `cannot copy to ${location}`
      : `cannot ${this.side === "source" ? "read" : "write"} the ${this.side} ${location}`
    return `${verb}: ${reasonOf(this.error)}${adviceOn(this.error, this.location)}`
  }
}

const reasonOf = (error: unknown): string => {
  if (RegistryError.isRegistryError(error)) {
    const reason = error.reason === undefined || error.reason === "" ? undefined : printable(error.reason)
    return reason ?? error.message.replace(/^[A-Z]\w+ \S+: /, "")
  }
  return error instanceof Error ? error.message : String(error)
}

/** Returns advice for errors whose message contains none. */
const adviceOn = (error: unknown, location: Location): string => {
  if (!RegistryError.isRegistryError(error)) return ""
  switch (error._tag) {
    case "OciTransportError":
      return location._tag === "Registry" &&
          /SSL|TLS|certificate|wrong version|socket hang up|HTTP/i.test(error.message)
        ? "; check the address, --plain-http and --tls"
        : "; check the address and the network"
    case "OciNameUnknown":
      return "; check the name of the repository"
    case "OciManifestUnknown":
      return error.reason === undefined || error.reason === "" ? "; check the tag or the digest" : ""
    default:
      return ""
  }
}

/** Records on which side each error occurred: the errors themselves do not contain it. */
export const sides = () => {
  const known = new WeakMap<object, Side>()
  return {
    /** Wraps a registry so that its errors are recorded. */
    marked: (registry: Registry["Type"], side: Side): Registry["Type"] =>
      Registry.fromHandler((operation) =>
        Answer.mapError(registry.handle(operation), operation, (error) => {
          if (!known.has(error)) known.set(error, side)
          return error
        })
      ),
    /** Returns the side of an error. If a body fails while it is sent, the error is one of the source. */
    of: (error: unknown): { readonly side: Side | undefined; readonly error: unknown } => {
      const cause = Predicate.isTagged(error, "OciBodyFailed") && Predicate.hasProperty(error, "cause")
        ? error.cause
        : undefined
      if (RegistryError.isRegistryError(cause)) return { side: known.get(cause) ?? "source", error: cause }
      return { side: Predicate.isObject(error) ? known.get(error) : undefined, error }
    }
  }
}
