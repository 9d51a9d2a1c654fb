/** The tags of a repository. */
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import type { Tag } from "@effect-oci/core/Tag"
import { useEffect, useMemo, useState } from "preact/hooks"
import { useApp, useLink } from "./app.js"
import * as format from "./format.js"
import { collect, useLive } from "./live.js"
import { Copy, Digest, Failure, Name, Search, Waiting } from "./parts.js"
import { details } from "./tags.js"
import type { Details } from "./tags.js"
import * as tree from "./tree.js"
import { Upload } from "./Upload.js"
import { byVersion } from "./versions.js"

/** How many tags the page reads. */
const limit = 200_000

/** How many tags are sorted by date: their images have to be read for that. */
const maxDated = 300

/** How many tags are shown at first, and more at a time. */
const page = 50

type Order = "version" | "name" | "newest"

const sortByDate = (tags: ReadonlyArray<Tag>, known: ReadonlyMap<string, Details>): ReadonlyArray<Tag> => {
  const time = (tag: Tag) => Date.parse(known.get(tag)?.created ?? "") || 0
  return tags.toSorted((one, other) => time(other) - time(one))
}

/** The tags that point to the same manifest, by digest. */
const tagsByDigest = (known: ReadonlyMap<string, Details>): ReadonlyMap<string, ReadonlyArray<string>> => {
  const tags = new Map<string, Array<string>>()
  for (const [tag, { descriptor: { digest } }] of known) tags.set(digest, [...tags.get(digest) ?? [], tag])
  return tags
}

const Row = (
  { isDated, known, others, repository, tag }: {
    readonly repository: RepositoryName
    readonly tag: Tag
    readonly known: Details | undefined
    readonly others: ReadonlyArray<string>
    /** Whether the table has a column of dates. */
    readonly isDated: boolean
  }
) => {
  const link = useLink()
  return (
    <tr>
      <th scope="row">
        <a href={link({ repository, tag })}>{tag}</a>
      </th>
      <td>
        {known === undefined
          ? <span class="pending" aria-hidden="true">…</span>
          : <Digest>{known.descriptor.digest}</Digest>}
        {others.length > 0 && (
          <small class="same">
            same as {others.slice(0, 3).join(", ")}
            {others.length > 3 ? ` and ${others.length - 3} more` : ""}
          </small>
        )}
      </td>
      <td>{known !== undefined && format.kind(known.descriptor.mediaType)}</td>
      {isDated && <td>{format.date(known?.created)}</td>}
    </tr>
  )
}

const Tags = (
  { names, order, repository }: {
    readonly names: ReadonlyArray<Tag>
    readonly order: Order
    readonly repository: RepositoryName
  }
) => {
  const { connection } = useApp()
  const [size, setSize] = useState(page)
  const isDated = order === "newest"
  const visible = isDated ? names.slice(0, maxDated) : names.slice(0, size)
  const live = useLive(
    `${isDated} ${visible.join(" ")}`,
    details(connection, repository, visible, isDated),
    20_000
  )
  // While details of other rows are read, those that are known stay.
  const [last, setLast] = useState<ReadonlyMap<string, Details>>(new Map())
  useEffect(() => {
    if (live.value !== undefined) setLast(live.isDone ? live.value : new Map([...last, ...live.value]))
  }, [live.value])
  const known = live.isDone && live.value !== undefined ? live.value : new Map([...last, ...live.value ?? []])
  const same = useMemo(() => tagsByDigest(known), [live.value, last])
  const rows = (isDated ? sortByDate(visible, known) : visible).slice(0, size)
  return (
    <>
      {isDated && names.length > maxDated && (
        <p class="note">
          Sorted by date are the first {maxDated}{" "}
          tags: a registry does not say when an image was made, so the page reads each image.
        </p>
      )}
      <div class="scroll">
        <table class="tags">
          <thead>
            <tr>
              <th scope="col">Tag</th>
              <th scope="col">Manifest</th>
              <th scope="col">Kind</th>
              {isDated && <th scope="col">Created</th>}
            </tr>
          </thead>
          <tbody>
            {rows.map((tag) => {
              const details = known.get(tag)
              const others = details === undefined ? [] : (same.get(details.descriptor.digest) ?? [])
              return (
                <Row
                  key={tag}
                  repository={repository}
                  tag={tag}
                  isDated={isDated}
                  known={details}
                  others={others.filter((other) => other !== tag)}
                />
              )
            })}
          </tbody>
        </table>
      </div>
      {(isDated ? visible : names).length > size && (
        <button
          type="button"
          class="more"
          onClick={() => setSize(size + page)}
        >
          Show more: {format.count((isDated ? visible : names).length - size, "tag")} left
        </button>
      )}
    </>
  )
}

const nothing: ReadonlyArray<Tag> = []

export const Repository = ({ repository }: { readonly repository: RepositoryName }) => {
  const { connection } = useApp()
  const [search, setSearch] = useState("")
  const [order, setOrder] = useState<Order>("version")
  const live = useLive("tags", collect(connection.registry.listTags(repository), limit), 4000)
  const names = live.value ?? nothing
  const sorted = useMemo(
    () => order === "name" ? names : byVersion(names) as ReadonlyArray<Tag>,
    [live.value, order]
  )
  const found = useMemo(() => search === "" ? sorted : sorted.filter(tree.matching(search)), [sorted, search])
  return (
    <>
      <h1>
        <Name>{repository}</Name> <Copy text={`${connection.host}/${repository}`} label="the name" />
      </h1>
      {live.error !== undefined && <Failure error={live.error} onRetry={live.reload} />}
      {names.length > 0 && (
        <div class="toolbar">
          <Search label="Search tags" placeholder="Search" value={search} onSearch={setSearch} />
          <label>
            Order{" "}
            <select value={order} onChange={(event) => setOrder(event.currentTarget.value as Order)}>
              <option value="version">Version</option>
              <option value="name">Name</option>
              <option value="newest">Newest</option>
            </select>
          </label>
          <span role="status">
            {search === "" ? "" : `${found.length.toLocaleString("en")} of `}
            {format.count(names.length, "tag")}
            {names.length >= limit
              ? ", and there are more"
              : live.isDone || live.error !== undefined
              ? ""
              : ", reading more…"}
          </span>
        </div>
      )}
      {names.length === 0
        ? live.isDone
          ? live.error === undefined && <p class="empty">The repository has no tags.</p>
          : <Waiting>Reading the tags</Waiting>
        : <Tags key={search} names={found} order={order} repository={repository} />}
      <Upload repository={repository} error={live.error} />
    </>
  )
}
