/** What documents about an image say: SBOMs, attestations and signatures. */
import * as json from "./json.js"

export interface Package {
  readonly name: string
  readonly version: string
  readonly license: string
  /** The package URL. */
  readonly purl: string
}

/** A document that the page understands. `value` is the whole JSON. */
export type Document =
  | {
    readonly _tag: "Sbom"
    readonly format: string
    readonly packages: ReadonlyArray<Package>
    readonly value: unknown
  }
  | {
    readonly _tag: "Statement"
    readonly predicateType: string
    readonly subjects: ReadonlyArray<string>
    readonly facts: ReadonlyArray<readonly [name: string, value: string | undefined]>
    /** The predicate, if it is a document of its own, such as an SBOM. */
    readonly inner: Document
    readonly value: unknown
  }
  | { readonly _tag: "Envelope"; readonly signatures: number; readonly inner: Document; readonly value: unknown }
  | {
    readonly _tag: "Signature"
    readonly image: string | undefined
    readonly identity: string | undefined
    readonly value: unknown
  }
  | { readonly _tag: "Other"; readonly value: unknown }

const maxPackages = 100_000

const noAssertion = (text: string | undefined): string => text === undefined || text === "NOASSERTION" ? "" : text

const spdx = (value: unknown): Document => ({
  _tag: "Sbom",
  format: json.text(value, "spdxVersion") ?? "SPDX",
  packages: json.list(value, "packages").slice(0, maxPackages).map((each) => ({
    name: json.text(each, "name") ?? "",
    version: json.text(each, "versionInfo") ?? "",
    license: noAssertion(json.text(each, "licenseConcluded")) || noAssertion(json.text(each, "licenseDeclared")),
    purl: json.list(each, "externalRefs").filter((ref) => json.text(ref, "referenceType") === "purl")
      .map((ref) => json.text(ref, "referenceLocator")).find((purl) => purl !== undefined) ?? ""
  })),
  value
})

const cycloneDx = (value: unknown): Document => ({
  _tag: "Sbom",
  format: `CycloneDX ${json.text(value, "specVersion") ?? ""}`.trim(),
  packages: json.list(value, "components").slice(0, maxPackages).map((each) => ({
    name: [json.text(each, "group"), json.text(each, "name")].filter((part) => part !== undefined).join("/"),
    version: json.text(each, "version") ?? "",
    license: json.list(each, "licenses").map((license) =>
      json.text(license, "expression") ?? json.text(license, "license", "id") ?? json.text(license, "license", "name")
    ).filter((name) => name !== undefined).join(", "),
    purl: json.text(each, "purl") ?? ""
  })),
  value
})

const digestsOf = (subject: unknown): string =>
  `${json.text(subject, "name") ?? ""} ${
    json.entries(subject, "digest").map(([algorithm, hex]) => `${algorithm}:${hex}`).join(" ")
  }`.trim()

/** What SLSA provenance says, in its versions 0.2 and 1. */
const provenance = (predicate: unknown): ReadonlyArray<readonly [string, string | undefined]> => {
  const materials = json.list(predicate, "materials").length +
    json.list(predicate, "buildDefinition", "resolvedDependencies").length
  return [
    ["Builder", json.text(predicate, "builder", "id") ?? json.text(predicate, "runDetails", "builder", "id")],
    ["Build type", json.text(predicate, "buildType") ?? json.text(predicate, "buildDefinition", "buildType")],
    [
      "Source",
      json.text(predicate, "invocation", "configSource", "uri") ??
        json.text(predicate, "buildDefinition", "externalParameters", "workflow", "repository")
    ],
    [
      "Finished",
      json.text(predicate, "metadata", "buildFinishedOn") ??
        json.text(predicate, "runDetails", "metadata", "finishedOn")
    ],
    ["Materials", materials === 0 ? undefined : String(materials)]
  ]
}

const statement = (value: unknown, depth: number): Document => ({
  _tag: "Statement",
  predicateType: json.text(value, "predicateType") ?? "unknown",
  subjects: json.list(value, "subject").map(digestsOf),
  facts: provenance(json.at(value, "predicate")),
  inner: read(json.at(value, "predicate"), depth + 1),
  value
})

/** Envelopes in envelopes end here. */
const maxDepth = 4

/** Reads a document. */
export const read = (value: unknown, depth = 0): Document => {
  if (depth > maxDepth) return { _tag: "Other", value }
  if (json.text(value, "spdxVersion") !== undefined) return spdx(value)
  if (json.text(value, "bomFormat") === "CycloneDX") return cycloneDx(value)
  if (json.text(value, "_type")?.startsWith("https://in-toto.io/Statement") === true) return statement(value, depth)
  const bundled = json.at(value, "dsseEnvelope")
  if (json.isObject(bundled)) return read(bundled, depth + 1)
  const payload = json.text(value, "payload")
  if (payload !== undefined && json.text(value, "payloadType") !== undefined) {
    const signatures = json.list(value, "signatures").length
    return { _tag: "Envelope", signatures, inner: read(json.base64(payload), depth + 1), value }
  }
  if (json.isObject(json.at(value, "critical"))) {
    return {
      _tag: "Signature",
      image: json.text(value, "critical", "image", "docker-manifest-digest"),
      identity: json.text(value, "critical", "identity", "docker-reference"),
      value
    }
  }
  return { _tag: "Other", value }
}

/** Returns the packages that a document lists, also within an envelope or a statement. */
export const packagesOf = (document: Document): ReadonlyArray<Package> => {
  switch (document._tag) {
    case "Sbom":
      return document.packages
    case "Statement":
    case "Envelope":
      return packagesOf(document.inner)
    case "Signature":
    case "Other":
      return []
  }
}

/** Returns whether content of a media type is a document or another text that the page shows. */
export const isReadable = (mediaType: string): boolean =>
  /[/+]json\b|^text\/|spdx|cyclonedx|in-toto|dsse|ya?ml|markdown|\.(?:txt|md|json|toml|log)\b/.test(mediaType)
