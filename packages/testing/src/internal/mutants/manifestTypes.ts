import * as MediaType from "@effect-oci/core/MediaType"
import * as Effect from "effect/Effect"
import type { Mutant } from "../../Mutant.js"
import { changeResponses, error, header, rows, tolerates, unread } from "./mutating.js"

const put = { method: "PUT", route: "Manifest" } as const

const textOf = (bytes: Uint8Array): string => new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes)

const pulls = { method: ["GET", "HEAD"], route: ["Manifest", "Blob"], status: 200 } as const

/** Recognizes the manifest that the check has already pushed with another type. */
const isKnown = (text: string): boolean => text === `{"schemaVersion":2,"manifests":[]}`

/** Rules 7, 10, 62, 69 and 70, where they concern the types of manifests. */
export const manifestTypes: ReadonlyArray<Mutant> = [
  {
    id: "manifest-type-changes",
    name: "a push of the same manifest with another media type changes its type",
    breaks: [7],
    middleware: tolerates((_, { bytes }) => isKnown(textOf(bytes)))
  },
  {
    id: "manifest-type-refused-and-changed",
    name: "a push of the same manifest with another media type is refused, but changes its type",
    breaks: [7],
    middleware: rows((next) => {
      const { keep, rows } = unread(next)
      return {
        ...rows,
        PushManifest: (operation) =>
          Effect.tapError(next(operation), () => isKnown(textOf(operation.bytes)) ? keep(operation) : Effect.void)
      }
    })
  },
  {
    id: "manifest-repeated-name-accepted",
    name: "a manifest with two members of the same name is accepted",
    breaks: [62],
    middleware: tolerates((_, { bytes }) => textOf(bytes).startsWith(`{"layers":[],`))
  },
  {
    id: "manifest-byte-order-mark-accepted",
    name: "a manifest that starts with a byte order mark is accepted",
    breaks: [62],
    middleware: tolerates((_, { bytes }) => textOf(bytes).startsWith("\ufeff"))
  },
  {
    id: "manifest-unknown-type-unread",
    name: "a manifest of an unknown type is not parsed",
    breaks: [10, 70],
    middleware: tolerates((_, { mediaType }) => mediaType.startsWith("application/vnd.example."))
  },
  {
    id: "manifest-generic-type-unread",
    name: "a manifest that is pushed as application/json is not parsed",
    breaks: [10, 70],
    middleware: tolerates((_, { mediaType }) => mediaType === "application/json")
  },
  {
    id: "manifest-schema-1-accepted",
    name: "a manifest of Docker's schema 1 is accepted as one without references",
    breaks: [70],
    middleware: tolerates((_, { mediaType }) => mediaType === MediaType.dockerSchema1)
  },
  {
    id: "manifest-html-accepted",
    name: "manifests of type text/html are accepted",
    breaks: [70],
    middleware: tolerates((_, { mediaType }) => mediaType === "text/html")
  },
  {
    id: "manifest-svg-accepted",
    name: "manifests of type image/svg+xml are accepted",
    breaks: [70],
    middleware: tolerates((_, { mediaType }) => mediaType === "image/svg+xml")
  },
  {
    id: "manifest-many-entries-fail",
    name: "a manifest with many annotations returns 500",
    breaks: [69],
    wire: changeResponses(
      { ...put, where: ({ body }) => body !== undefined && textOf(body).includes("org.example.19999") },
      error(500, "UNKNOWN")
    )
  },
  {
    id: "content-sniffed",
    name: "browsers may guess the type of stored content",
    breaks: [4, 14],
    wire: changeResponses(pulls, header("x-content-type-options", undefined))
  },
  {
    id: "content-active",
    name: "browsers may execute stored content",
    breaks: [4, 14],
    wire: changeResponses(pulls, header("content-security-policy", "default-src 'self'"))
  }
]
