/** The files of a layer, one folder at a time, and the text of a file. */
import * as Digests from "@effect-oci/core/Digest"
import type * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Effect from "effect/Effect"
import { useMemo, useRef, useState } from "preact/hooks"
import { useApp, useLink } from "./app.js"
import * as archive from "./archive.js"
import type { Item, Listing } from "./archive.js"
import { SaveButton } from "./Download.js"
import * as format from "./format.js"
import { useLive } from "./live.js"
import { Copy, Digest, Failure, Name, Paged, Search, Show, Waiting } from "./parts.js"
import type { Query } from "./route.js"
import { Text } from "./Text.js"
import * as tree from "./tree.js"

interface Props {
  readonly repository: RepositoryName
  readonly reference: Operation.TagOrDigest
  readonly layer: Digests.Digest
}

/** How much of a text file is shown, and how large a file may be to be saved. */
const maxText = 512 * 1024
const maxSaved = 512 * 1024 * 1024

const modeOf = (mode: number | undefined): string =>
  mode === undefined ? "" : (mode & 0o7777).toString(8).padStart(4, "0")

const useFileLink = ({ layer, reference, repository }: Props) => {
  const link = useLink()
  const at = Digests.is(reference) ? { digest: reference } : { tag: reference }
  return (query: { readonly path?: string; readonly file?: string }) =>
    link({ repository, ...at, query: { layer, ...query } })
}

const Line = (
  { item, props, showPath }: { readonly item: Item; readonly props: Props; readonly showPath: boolean }
) => {
  const link = useFileLink(props)
  const { entry, isFolder, path } = item
  const name = showPath ? path : item.name
  const isDeleted = item.name.startsWith(archive.whiteout)
  const label = <Text limit={400}>{isDeleted ? name.replace(archive.whiteout, "") : name}</Text>
  return (
    <tr class={isDeleted ? "deleted" : undefined}>
      <th scope="row">
        {isFolder
          ? <a href={link({ path })}>{label}/</a>
          : entry?.type === "file" && !isDeleted
          ? <a href={link({ file: path })}>{label}</a>
          : label}
        {isDeleted && <small>deleted by this layer</small>}
        {entry?.link !== undefined && (
          <small>
            → <Text limit={400}>{entry.link}</Text>
          </small>
        )}
        {entry !== undefined && !isFolder && entry.type !== "file" && entry.link === undefined && (
          <small>{entry.type}</small>
        )}
      </th>
      <td class="number">{item.size > 0 || entry?.type === "file" ? format.bytes(item.size) : ""}</td>
      <td class="mono">{modeOf(entry?.mode)}</td>
    </tr>
  )
}

/** The way from the root of the layer to a folder. */
const FolderPath = ({ path, props }: { readonly path: string; readonly props: Props }) => {
  const link = useFileLink(props)
  const parts = path === "" ? [] : path.split("/")
  return (
    <nav aria-label="Folder" class="path">
      <ol>
        <li>
          <a href={link({})}>/</a>
        </li>
        {parts.slice(0, 64).map((part, at) => (
          <li key={at}>
            <a href={link({ path: parts.slice(0, at + 1).join("/") })}>
              <Text limit={200}>{part}</Text>
            </a>
          </li>
        ))}
      </ol>
    </nav>
  )
}

const Files = (
  { listing, path, props }: { readonly listing: Listing; readonly path: string; readonly props: Props }
) => {
  const [search, setSearch] = useState("")
  const items = useMemo((): ReadonlyArray<Item> => {
    if (search === "") return archive.folder(listing.entries, path)
    const matches = tree.matching(search)
    return listing.entries.filter((entry) => matches(entry.path)).map((entry) => ({
      name: entry.path.slice(entry.path.lastIndexOf("/") + 1),
      path: entry.path,
      entry,
      isFolder: entry.type === "directory",
      size: entry.size
    }))
  }, [listing, path, search])
  return (
    <>
      <div class="toolbar">
        <Search
          label="Search the files of the layer"
          placeholder="Search all files"
          value={search}
          onSearch={setSearch}
        />
        <span role="status">
          {format.count(listing.entries.length, "entry", "entries")}, {format.bytes(listing.bytes)} unpacked
        </span>
      </div>
      {listing.limit !== undefined && <p class="note">The page stopped reading {listing.limit}: there is more.</p>}
      <div class="card">
        {search === "" && <FolderPath path={path} props={props} />}
        <Paged items={items} key={`${path} ${search}`} size={200}>
          {(shown) => (
            <div class="scroll">
              <table class="files">
                <thead>
                  <tr>
                    <th scope="col">Name</th>
                    <th scope="col">Size</th>
                    <th scope="col">Mode</th>
                  </tr>
                </thead>
                <tbody>
                  {shown.map((item, at) => <Line key={at} item={item} props={props} showPath={search !== ""} />)}
                </tbody>
              </table>
            </div>
          )}
        </Paged>
        {items.length === 0 && <p class="empty">Nothing.</p>}
      </div>
    </>
  )
}

const isText = (bytes: Uint8Array): boolean => !bytes.subarray(0, 8192).includes(0)

const FileText = ({ path, props }: { readonly path: string; readonly props: Props }) => {
  const { connection } = useApp()
  const link = useFileLink(props)
  const { layer, repository } = props
  const live = useLive(
    `file ${path}`,
    () => archive.file(connection, repository, layer, path, maxText + 1)
  )
  const above = path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : undefined
  return (
    <>
      <p>
        <a href={link(above === undefined ? {} : { path: above })}>Back to the folder</a>
      </p>
      <h2>
        <Text>{path}</Text>
      </h2>
      <p>
        <SaveButton name={path} read={archive.file(connection, repository, layer, path, maxSaved)} />
      </p>
      <Show live={live} waiting="Reading the layer up to this file">
        {(bytes) => {
          if (!isText(bytes)) return <p class="note">This is not a text. Download it to see it.</p>
          const text = new TextDecoder().decode(bytes.subarray(0, maxText))
          return (
            <>
              {bytes.byteLength > maxText && <p class="note">These are the first {format.bytes(maxText)}.</p>}
              <Copy text={text} label="the text" />
              <pre tabIndex={0}><Text limit={maxText} lines>{text}</Text></pre>
            </>
          )
        }}
      </Show>
    </>
  )
}

const FileList = ({ path, props }: { readonly path: string; readonly props: Props }) => {
  const { connection } = useApp()
  const [isStopped, setStopped] = useState(false)
  const live = useLive<Listing>(
    `files ${isStopped}`,
    (show) => isStopped ? Effect.never : archive.list(connection, props.repository, props.layer, show)
  )
  const [kept, setKept] = useState<Listing>()
  const listing = live.value ?? kept
  const stop = () => {
    setKept(live.value ?? { entries: [], bytes: 0, limit: undefined })
    setStopped(true)
  }
  return (
    <>
      {live.error !== undefined && <Failure error={live.error} onRetry={live.reload} />}
      {!live.isDone && !isStopped && (
        <Waiting>
          Reading the layer: {format.bytes(listing?.bytes ?? 0)} unpacked{" "}
          <button type="button" onClick={stop}>Stop</button>
        </Waiting>
      )}
      {isStopped && (
        <p class="note">
          Stopped. <button type="button" onClick={() => setStopped(false)}>Read all of it</button>
        </p>
      )}
      {listing !== undefined && <Files listing={listing} path={path} props={props} />}
    </>
  )
}

export const LayerView = (
  { query, reference, repository }: {
    readonly repository: RepositoryName
    readonly reference: Operation.TagOrDigest
    readonly query: Query
  }
) => {
  const link = useLink()
  const layer = query["layer"] ?? ""
  const file = query["file"]
  const wasListed = useRef(false)
  wasListed.current ||= file === undefined
  if (!Digests.is(layer)) return <p class="failure" role="alert">This address names no layer.</p>
  const props: Props = { repository, reference, layer }
  return (
    <>
      <h1>
        Layer <Digest>{layer}</Digest>
      </h1>
      <p>
        of{" "}
        <a href={link({ repository, ...Digests.is(reference) ? { digest: reference } : { tag: reference } })}>
          <Name>{`${repository}${Digests.is(reference) ? `@${format.digest(reference)}` : `:${reference}`}`}</Name>
        </a>
      </p>
      {wasListed.current && (
        <div hidden={file !== undefined}>
          <FileList path={query["path"] ?? ""} props={props} />
        </div>
      )}
      {file !== undefined && <FileText key={file} path={file} props={props} />}
    </>
  )
}
