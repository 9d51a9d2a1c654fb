/** A document in a registry: an SBOM, an attestation, a signature, other JSON or a text. */
import type { Descriptor } from "@effect-oci/core/Descriptor"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import { useMemo, useState } from "preact/hooks"
import { useApp } from "./app.js"
import * as content from "./content.js"
import * as documents from "./documents.js"
import type { Document, Package } from "./documents.js"
import * as format from "./format.js"
import { Json } from "./Json.js"
import * as json from "./json.js"
import { useLive } from "./live.js"
import { Facts, Lazy, Paged, Search, Show } from "./parts.js"
import { Text, TextOrLink } from "./Text.js"
import * as tree from "./tree.js"

const Packages = ({ packages }: { readonly packages: ReadonlyArray<Package> }) => {
  const [search, setSearch] = useState("")
  const found = useMemo(() => {
    const matches = tree.matching(search)
    return packages.filter(({ license, name, version }) => matches(`${name} ${version} ${license}`))
  }, [packages, search])
  return (
    <>
      <div class="toolbar">
        <Search label="Search packages" placeholder="Search packages" value={search} onSearch={setSearch} />
        <span role="status">{format.count(found.length, "package")}</span>
      </div>
      <Paged items={found} key={search}>
        {(shown) => (
          <div class="scroll">
            <table class="packages">
              <thead>
                <tr>
                  <th scope="col">Package</th>
                  <th scope="col">Version</th>
                  <th scope="col">License</th>
                </tr>
              </thead>
              <tbody>
                {shown.map(({ license, name, purl, version }, at) => (
                  <tr key={at} title={format.plain(purl)}>
                    <th scope="row">
                      <Text limit={200}>{name}</Text>
                    </th>
                    <td>
                      <Text limit={100}>{version}</Text>
                    </td>
                    <td>
                      <Text limit={100}>{license}</Text>
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </Paged>
    </>
  )
}

const maxSubjects = 20

export const DocumentView = ({ document }: { readonly document: Document }) => {
  switch (document._tag) {
    case "Sbom":
      return (
        <>
          <p>
            SBOM in the format <Text limit={60}>{document.format}</Text>
          </p>
          <Packages packages={document.packages} />
        </>
      )
    case "Statement":
      return (
        <>
          <Facts>
            {[
              ["Predicate", <TextOrLink key="type">{document.predicateType}</TextOrLink>],
              ...document.facts.map(([name, value]) => [name, value && <TextOrLink>{value}</TextOrLink>] as const),
              [
                "Subjects",
                document.subjects.length === 0 ? undefined : (
                  <ul class="plain">
                    {document.subjects.slice(0, maxSubjects).map((subject, at) => (
                      <li key={at}>
                        <Text>{subject}</Text>
                      </li>
                    ))}
                    {document.subjects.length > maxSubjects && <li>{document.subjects.length - maxSubjects} more</li>}
                  </ul>
                )
              ]
            ]}
          </Facts>
          <DocumentView document={document.inner} />
        </>
      )
    case "Envelope":
      return (
        <>
          <p class="note">
            Signed by {format.count(document.signatures, "signature")}, which this page does not verify.
          </p>
          <DocumentView document={document.inner} />
        </>
      )
    case "Signature":
      return (
        <>
          <p class="note">A signature, which this page does not verify.</p>
          <Facts>
            {[
              [
                "Image",
                document.image && (
                  <code>
                    <Text>{document.image}</Text>
                  </code>
                )
              ],
              [
                "Name",
                document.identity && (
                  <code>
                    <Text>{document.identity}</Text>
                  </code>
                )
              ]
            ]}
          </Facts>
        </>
      )
    case "Other":
      return document.value === undefined ? <p class="note">Empty.</p> : <Json value={document.value} open={2} />
  }
}

const maxText = 256 * 1024

/** Shows a blob that is a document. */
export const Blob = (
  { descriptor, repository }: { readonly repository: RepositoryName; readonly descriptor: Descriptor }
) => {
  const { connection } = useApp()
  const live = useLive(
    descriptor.digest,
    () => content.blob(connection, repository, descriptor.digest, content.maxDocument)
  )
  return <Show live={live} waiting="Reading the document">{(bytes) => <Bytes bytes={bytes} />}</Show>
}

const Bytes = ({ bytes }: { readonly bytes: Uint8Array }) => {
  const value = useMemo(() => json.parse(bytes), [bytes])
  const document = useMemo(() => documents.read(value), [value])
  if (value === undefined) {
    const text = new TextDecoder().decode(bytes.subarray(0, maxText))
    return <pre tabIndex={0}><Text limit={maxText} lines>{text}</Text></pre>
  }
  return (
    <>
      <DocumentView document={document} />
      {document._tag !== "Other" && <Lazy summary="All of it">{() => <Json value={value} open={2} />}</Lazy>}
    </>
  )
}
