/** The repositories of a registry: as a tree, or those that match a search. */
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import * as Either from "effect/Either"
import { useMemo, useState } from "preact/hooks"
import { useApp, useLink } from "./app.js"
import { kindOf } from "./explain.js"
import * as format from "./format.js"
import { collect, useLive } from "./live.js"
import { Failure, Lazy, Paged, Search, Waiting } from "./parts.js"
import * as route from "./route.js"
import * as tree from "./tree.js"
import { Upload } from "./Upload.js"

/** How many repositories the page reads. */
const limit = 100_000

/** In a registry with at most so many repositories, all folders are open. */
const smallRegistry = 50

const Names = ({ names, prefix = "" }: { readonly names: ReadonlyArray<string>; readonly prefix?: string }) => {
  const link = useLink()
  return (
    <Paged items={names}>
      {(shown) => (
        <ul class="names">
          {shown.map((name) => (
            <li key={name}>
              <a href={link({ repository: name as RepositoryName })} aria-label={name}>{name.slice(prefix.length)}</a>
            </li>
          ))}
        </ul>
      )}
    </Paged>
  )
}

const Folder = ({ folder, isOpen }: { readonly folder: tree.Folder; readonly isOpen: boolean }) => (
  <>
    <Paged items={[...folder.folders.values()]}>
      {(shown) => (
        <>
          {shown.map((below) => (
            <Lazy
              key={below.prefix}
              isOpen={isOpen}
              summary={
                <>
                  {below.prefix.slice(folder.prefix.length)}{" "}
                  <small>{format.count(below.total, "repository", "repositories")}</small>
                </>
              }
            >
              {() => (
                <div class="below">
                  <Folder folder={below} isOpen={isOpen} />
                </div>
              )}
            </Lazy>
          ))}
        </>
      )}
    </Paged>
    {folder.names.length > 0 && <Names names={folder.names} prefix={folder.prefix} />}
  </>
)

/** Opens a repository by its name, also one that the list does not contain. */
const OpenNamed = ({ search }: { readonly search: string }) => {
  const { home, place } = useApp()
  const named = route.open(search, place.registry, home)
  return Either.isRight(named) && search !== ""
    ? (
      <p class="note">
        Or open <a href={route.format(named.right, home)}>{format.plain(search)}</a>, if it exists.
      </p>
    )
    : null
}

const hasNoCatalog = new Set<string | undefined>([
  "OciUnsupported",
  "OciDenied",
  "OciUnauthorized",
  "OciNameUnknown",
  "OciUnknownCode"
])

export const Repositories = () => {
  const { connection } = useApp()
  const [search, setSearch] = useState("")
  const live = useLive("repositories", collect(connection.registry.listRepositories(), limit), 4000)
  const names: ReadonlyArray<string> = live.value ?? []
  const root = useMemo(() => tree.make(names), [live.value])
  const found = useMemo(() => search === "" ? names : names.filter(tree.matching(search)), [live.value, search])
  const { error } = live
  const isWithoutList = error !== undefined && hasNoCatalog.has(kindOf(error))
  return (
    <>
      <h1>Repositories</h1>
      {error !== undefined && <Failure error={error} onRetry={live.reload} />}
      {isWithoutList && (
        <p class="note">
          Many registries do not list their repositories. You can open one by its name above.
        </p>
      )}
      {names.length > 0 && (
        <div class="toolbar">
          <Search label="Search repositories" placeholder="Search" value={search} onSearch={setSearch} />
          <span role="status">
            {search === "" ? "" : `${found.length.toLocaleString("en")} of `}
            {format.count(names.length, "repository", "repositories")}
            {names.length >= limit
              ? ", and there are more"
              : live.isDone || error !== undefined
              ? ""
              : ", reading more…"}
          </span>
        </div>
      )}
      {names.length === 0
        ? live.isDone
          ? error === undefined && (
            <p class="empty">There is nothing here yet. Push an image, and it appears on this page.</p>
          )
          : <Waiting>Reading the repositories</Waiting>
        : search === ""
        ? (
          <div class="tree">
            <Folder folder={root} isOpen={names.length <= smallRegistry} />
          </div>
        )
        : (
          <div class="tree" key={search}>
            <Names names={found} />
          </div>
        )}
      {search !== "" && <OpenNamed search={search} />}
      <Upload error={error} />
    </>
  )
}
