/** Uploads files as an artifact, dropped on the page or chosen. */
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Either from "effect/Either"
import { useEffect, useState } from "preact/hooks"
import { useApp, useLink } from "./app.js"
import * as changes from "./changes.js"
import type { Target } from "./changes.js"
import { kindOf } from "./explain.js"
import type { Failed } from "./explain.js"
import * as fields from "./fields.js"
import type { Fields } from "./fields.js"
import * as format from "./format.js"
import { Failure, MayMove, Refusals, Section, Waiting } from "./parts.js"
import { attempt, useRights } from "./rights.js"
import { Text } from "./Text.js"
import { useAction } from "./useAction.js"

/** Files that are dropped anywhere on the page. */
const useDrop = (onFiles: (files: ReadonlyArray<File>) => void): boolean => {
  const [isOver, setOver] = useState(false)
  useEffect(() => {
    const hasFiles = (event: DragEvent) => event.dataTransfer?.types.includes("Files") === true
    const over = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      setOver(true)
    }
    const leave = (event: DragEvent) => {
      if (event.relatedTarget === null) setOver(false)
    }
    const drop = (event: DragEvent) => {
      if (!hasFiles(event)) return
      event.preventDefault()
      setOver(false)
      onFiles([...event.dataTransfer?.files ?? []])
    }
    addEventListener("dragover", over)
    addEventListener("dragleave", leave)
    addEventListener("drop", drop)
    return () => {
      removeEventListener("dragover", over)
      removeEventListener("dragleave", leave)
      removeEventListener("drop", drop)
    }
  }, [])
  return isOver
}

const targetOf = (field: Fields, repository?: string): Either.Either<Target, string> =>
  Either.mapBoth(
    Either.all({
      repository: RepositoryName.parse(repository ?? field("repository").trim()),
      tag: Tag.parse(field("tag").trim())
    }),
    {
      onLeft: ({ message }) => message,
      onRight: (target) => ({ ...target, mayMove: field("move") !== "" })
    }
  )

const UploadForm = ({ repository }: { readonly repository?: RepositoryName.RepositoryName | undefined }) => {
  const { connection } = useApp()
  const link = useLink()
  const [files, setFiles] = useState<ReadonlyArray<File>>([])
  const [problem, setProblem] = useState<string>()
  const [sent, setSent] = useState(0)
  const action = useAction<Target>()
  const isOver = useDrop(setFiles)
  // Each file is read twice: to compute its digest, and to send it.
  const total = 2 * files.reduce((sum, { size }) => sum + size, 0)

  const submit = (event: SubmitEvent) => {
    const field = fields.read(event)
    const target = targetOf(field, repository)
    setProblem(Either.isLeft(target) ? target.left : undefined)
    if (Either.isLeft(target)) return
    setSent(0)
    action.start(
      attempt(
        connection,
        target.right.repository,
        "push",
        changes.upload(connection, target.right, files, setSent)
      )
    )
  }

  return (
    <>
      {isOver && <div class="drop" aria-hidden="true">Drop the files to upload them</div>}
      <form class="change" onSubmit={submit}>
        <label>
          Files, or drop them on this page{" "}
          <input type="file" multiple onChange={(event) => setFiles([...event.currentTarget.files ?? []])} />
        </label>
        {files.length > 0 && (
          <>
            <ul class="plain">
              {files.slice(0, 20).map((file, at) => (
                <li key={at}>
                  <Text limit={200}>{file.name}</Text> <small>{format.bytes(file.size)}</small>
                </li>
              ))}
              {files.length > 20 && <li>{files.length - 20} more</li>}
            </ul>
            {repository === undefined && (
              <label>
                Repository <input name="repository" required placeholder="team/files" autocapitalize="none" />
              </label>
            )}
            <label>
              Tag <input name="tag" required placeholder="v1" autocapitalize="none" />
            </label>
            <MayMove />
            <button type="submit" class="primary" disabled={action.isRunning}>Upload as an artifact</button>
          </>
        )}
        {action.isRunning && (
          <p role="status">
            <progress max={Math.max(total, 1)} value={sent} aria-label="Upload" /> {format.bytes(sent / 2)} of{" "}
            {format.bytes(total / 2)} <button type="button" onClick={action.stop}>Cancel</button>
          </p>
        )}
        {problem !== undefined && <p class="problem" role="alert">{format.plain(problem)}</p>}
        {action.error !== undefined && <Failure error={action.error} />}
        {action.result !== undefined && (
          <p role="status">
            Uploaded:{" "}
            <a href={link({ repository: action.result.repository, tag: action.result.tag })}>
              {action.result.repository}:{action.result.tag}
            </a>
          </p>
        )}
      </form>
    </>
  )
}

const UploadTo = ({ repository }: { readonly repository: RepositoryName.RepositoryName }) => {
  const rights = useRights(repository)
  if (rights === undefined) return <Waiting>Finding out what you may change</Waiting>
  const refusal = rights("push")
  return refusal === undefined ? <UploadForm repository={repository} /> : <Refusals>{[refusal]}</Refusals>
}

const outOfReach = new Set<string | undefined>(["OciTransportError", "OciUnauthorized", "OciRealmRefused"])

/** Uploads files. The form is hidden, and continues, while the page cannot reach the registry: `error` says so. */
export const Upload = (
  { error, repository }: {
    readonly repository?: RepositoryName.RepositoryName
    readonly error: Failed | undefined
  }
) => (
  <div hidden={error !== undefined && outOfReach.has(kindOf(error))}>
    <Section title="Upload files">
      {repository === undefined ? <UploadForm /> : <UploadTo repository={repository} />}
    </Section>
  </div>
)
