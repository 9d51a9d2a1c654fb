import * as RegistryError from "@effect-oci/core/RegistryError"
import type { Mutant } from "../../Mutant.js"
import { body, changeResponses, error, fieldsOf, header, json, refused, rows, status } from "./mutating.js"
import type { Change } from "./mutating.js"

const failures = [400, 401, 403, 404, 405, 412, 413, 416]

const withBody = (change: Change): Change => (received) => received.sent.method === "HEAD" ? received : change(received)

const hasCode = (code: string) => (bytes: Uint8Array) => JSON.stringify(fieldsOf(bytes)).includes(code)

const whereCode = (code: string, ...changes: ReadonlyArray<Change>): Change => (received) =>
  hasCode(code)(received.body) ? changes.reduce((changed, change) => change(changed), received) : received

/** Rules 98 to 105, 3, and the grammars of names. */
export const errors: ReadonlyArray<Mutant> = [
  {
    id: "errors-html",
    name: "errors are HTML pages",
    breaks: [98],
    wire: changeResponses(
      { status: failures },
      withBody(body(() => "<html><body>Not here.</body></html>")),
      header("content-type", "text/html")
    )
  },
  {
    id: "errors-plain",
    name: "errors have the Content-Type of text",
    breaks: [98],
    wire: changeResponses({ status: failures }, header("content-type", "text/plain; charset=utf-8"))
  },
  {
    id: "errors-empty",
    name: "errors have an empty list of errors",
    breaks: [98],
    wire: changeResponses({ status: failures }, withBody(json(() => ({ errors: [] }))))
  },
  {
    id: "errors-lower-case",
    name: "the codes of errors are in lower case",
    breaks: [98],
    wire: changeResponses(
      { status: failures },
      withBody(body((bytes) => new TextDecoder().decode(bytes).toLowerCase()))
    )
  },
  {
    id: "errors-bare",
    name: "errors have a code without a list",
    breaks: [98],
    wire: changeResponses(
      { status: failures },
      withBody(json((fields) => (fields["errors"] as ReadonlyArray<object> | undefined)?.[0]))
    )
  },
  {
    id: "error-head-body",
    name: "errors on HEAD have a body",
    breaks: [104],
    wire: changeResponses({ method: "HEAD", status: failures }, body(() => "{\"errors\":[{\"code\":\"UNKNOWN\"}]}"))
  },
  {
    id: "name-malformed-fails",
    name: "a malformed repository name returns 500",
    breaks: [98],
    wire: changeResponses({ status: 400 }, whereCode("NAME_INVALID", status(500)))
  },
  {
    id: "name-malformed-accepted",
    name: "upload sessions are opened in repositories with malformed names",
    breaks: [98],
    wire: changeResponses({ method: "POST", route: "Uploads", status: 400 }, whereCode("NAME_INVALID", status(202)))
  },
  {
    id: "name-long-accepted",
    name: "upload sessions are opened in repositories with names of any length",
    breaks: [98],
    wire: changeResponses(
      { method: "POST", route: "Uploads", status: 400, where: ({ path }) => path.length > 255 },
      whereCode("NAME_INVALID", status(202))
    )
  },
  {
    id: "tag-malformed-fails",
    name: "a malformed tag returns 500",
    breaks: [98],
    wire: changeResponses({ status: 400 }, whereCode("TAG_INVALID", status(500)))
  },
  {
    id: "tag-malformed-accepted",
    name: "manifests are accepted with malformed tags",
    breaks: [98],
    wire: changeResponses({ method: "PUT", route: "Manifest", status: 400 }, whereCode("TAG_INVALID", status(201)))
  },
  {
    id: "tag-long-refused",
    name: "tags of more than 127 characters are refused",
    breaks: [98],
    middleware: rows((next) => ({
      PushManifest: (operation) =>
        operation.tags.some((tag) => tag.length > 127) ? refused(RegistryError.TagInvalid, operation) : next(operation)
    }))
  },
  {
    id: "method-unknown-accepted",
    name: "an unsupported method returns 200",
    breaks: [3],
    wire: changeResponses({ status: 405 }, status(200))
  },
  {
    id: "method-unknown-fails",
    name: "an unsupported method returns 501",
    breaks: [3],
    wire: changeResponses({ status: 405 }, error(501, "UNSUPPORTED"))
  },
  {
    id: "allow-missing",
    name: "405 has no Allow header",
    breaks: [3],
    wire: changeResponses({ status: 405 }, header("allow", undefined))
  },
  {
    id: "warning-code",
    name: "warnings have a code other than 299",
    breaks: [100],
    wire: changeResponses({ method: "GET", route: "Blob" }, header("warning", "199 - \"this registry is old\""))
  },
  {
    id: "warning-date",
    name: "warnings have a date",
    breaks: [100],
    wire: changeResponses(
      { method: "GET", route: "Blob" },
      header("warning", "299 - \"old\" \"Sun, 06 Nov 1994 08:49:37 GMT\"")
    )
  },
  {
    id: "warning-agent",
    name: "warnings name an agent",
    breaks: [100],
    wire: changeResponses({ method: "GET", route: "Blob" }, header("warning", "299 registry.example.com \"old\""))
  },
  {
    id: "warning-long",
    name: "warnings have 8 KiB",
    breaks: [100],
    wire: changeResponses({ method: "GET", route: "Blob" }, header("warning", `299 - "${"x".repeat(8192)}"`))
  }
]
