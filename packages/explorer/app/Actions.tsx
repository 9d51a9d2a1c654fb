/** What a user can change about a manifest. The registry decides whether it allows the change. */
import * as Digests from "@effect-oci/core/Digest"
import type * as Operation from "@effect-oci/core/Operation"
import * as RepositoryName from "@effect-oci/core/RepositoryName"
import * as Tag from "@effect-oci/core/Tag"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"
import { useApp, useLink } from "./app.js"
import * as changes from "./changes.js"
import type { Loaded } from "./content.js"
import type { Failed } from "./explain.js"
import * as fields from "./fields.js"
import type { Fields } from "./fields.js"
import * as format from "./format.js"
import { useLive } from "./live.js"
import { Failure, Lazy, Section, Show } from "./parts.js"
import { useAction } from "./useAction.js"
import type { Action } from "./useAction.js"

interface Props {
  readonly repository: RepositoryName.RepositoryName
  readonly reference: Operation.TagOrDigest
  readonly loaded: Loaded
}

/** A form that starts an effect. `make` reads the fields, and returns the effect or what is wrong. */
const Form = (
  { action, children, isDangerous = false, make, submit }: {
    readonly action: Action<ComponentChildren>
    readonly make: (field: Fields) => Either.Either<Effect.Effect<ComponentChildren, Failed>, string>
    readonly submit: string
    readonly isDangerous?: boolean
    readonly children?: ComponentChildren
  }
) => {
  const [problem, setProblem] = useState<string>()
  const onSubmit = (event: SubmitEvent) => {
    const made = make(fields.read(event))
    setProblem(Either.isLeft(made) ? made.left : undefined)
    if (Either.isRight(made)) action.start(made.right)
  }
  return (
    <form class="change" onSubmit={onSubmit}>
      {children}
      <button type="submit" class={isDangerous ? "danger" : "primary"} disabled={action.isRunning}>{submit}</button>
      {action.isRunning && (
        <span role="status">
          Working… <button type="button" onClick={action.stop}>Cancel</button>
        </span>
      )}
      {problem !== undefined && <p class="problem" role="alert">{format.plain(problem)}</p>}
      {action.error !== undefined && <Failure error={action.error} />}
      {action.result !== undefined && <p role="status">{action.result}</p>}
    </form>
  )
}

const parsedTag = (text: string) => Either.mapLeft(Tag.parse(text.trim()), ({ message }) => message)

const AddTag = ({ loaded, repository }: Props) => {
  const { connection } = useApp()
  const link = useLink()
  const action = useAction<ComponentChildren>()
  return (
    <Form
      action={action}
      submit="Add the tag"
      make={(field) =>
        Either.map(parsedTag(field("tag")), (tag) =>
          Effect.as(
            changes.tag(connection, repository, loaded, tag, field("move") !== ""),
            <>
              Done: <a href={link({ repository, tag })}>{repository}:{tag}</a>
            </>
          ))}
    >
      <label>
        Tag <input name="tag" required autocapitalize="none" placeholder="latest" />
      </label>
      <label class="check">
        <input name="move" type="checkbox" /> Move the tag if it points to another manifest
      </label>
    </Form>
  )
}

const Copy = ({ loaded, reference, repository }: Props) => {
  const { connection } = useApp()
  const link = useLink()
  const [done, setDone] = useState(0)
  const action = useAction<ComponentChildren>()
  return (
    <Form
      action={action}
      submit="Copy"
      make={(field) =>
        Either.flatMap(
          Either.mapLeft(RepositoryName.parse(field("to").trim()), ({ message }) => message),
          (to) =>
            Either.map(parsedTag(field("tag")), (tag) =>
              Effect.as(
                changes.copy(connection, repository, to, loaded, [tag], setDone),
                <>
                  Copied: <a href={link({ repository: to, tag })}>{to}:{tag}</a>
                </>
              ))
        )}
    >
      <label>
        To the repository <input name="to" required autocapitalize="none" placeholder="team/copy" />
      </label>
      <label>
        Tag <input name="tag" required autocapitalize="none" defaultValue={Digests.is(reference) ? "" : reference} />
      </label>
      {action.isRunning && <p>{format.count(done, "part")} copied</p>}
    </Form>
  )
}

/** Reads lines of `name=value`. */
const annotationsOf = (text: string): Either.Either<{ readonly [name: string]: string }, string> => {
  const lines = text.split("\n").map((line) => line.trim()).filter((line) => line !== "")
  const wrong = lines.find((line) => line.indexOf("=") < 1)
  if (wrong !== undefined) return Either.left(`this line is not name=value: ${wrong}`)
  return Either.right(Object.fromEntries(lines.map((line) => {
    const equals = line.indexOf("=")
    return [line.slice(0, equals).trim(), line.slice(equals + 1).trim()]
  })))
}

const Annotate = ({ loaded: { manifest }, repository }: Props) => {
  const { connection } = useApp()
  const action = useAction<ComponentChildren>()
  return (
    <Form
      action={action}
      submit="Attach"
      make={(field) =>
        Either.map(annotationsOf(field("annotations")), (annotations) =>
          Effect.as(
            changes.annotate(connection, repository, manifest.descriptor, field("type").trim(), annotations),
            "Attached. It appears among the referrers."
          ))}
    >
      <label>
        Artifact type <input name="type" required defaultValue="application/vnd.example.note.v1" />
      </label>
      <label>
        Annotations, one on each line <textarea name="annotations" required rows={3} placeholder="reviewed-by=alice" />
      </label>
    </Form>
  )
}

const list = (names: ReadonlyArray<string>): string =>
  names.length > 10 ? `${names.slice(0, 10).join(", ")} and ${names.length - 10} more` : names.join(", ")

const Delete = ({ loaded: { manifest: { descriptor: { digest } } }, reference, repository }: Props) => {
  const { connection } = useApp()
  const link = useLink()
  const tagAction = useAction<ComponentChildren>()
  const manifestAction = useAction<ComponentChildren>()
  const live = useLive(`loss ${digest}`, () => changes.lossOf(connection, repository, digest))
  const gone = (
    <>
      Deleted. <a href={link({ repository })}>Back to {repository}</a>
    </>
  )
  return (
    <>
      {!Digests.is(reference) && (
        <Form
          action={tagAction}
          submit={`Delete the tag ${reference}`}
          isDangerous
          make={() => Either.right(Effect.as(connection.registry.deleteTag(repository, reference), gone))}
        >
          <p>Deletes only the name. The manifest stays, with its digest and its other tags.</p>
        </Form>
      )}
      <Show live={live} waiting="Finding out what else goes">
        {({ isPartial, referrers, tags }) => (
          <Form
            action={manifestAction}
            submit="Delete the manifest"
            isDangerous
            make={() => Either.right(Effect.as(connection.registry.deleteManifest(repository, digest), gone))}
          >
            <p>
              Deletes the manifest <code>{format.digest(digest)}</code>, and with it{" "}
              {tags.length === 0 ? "no tag" : `${format.count(tags.length, "tag")} (${list(tags)})`}
              {isPartial ? " of the first 500, and maybe more" : ""}.{" "}
              {referrers > 0 && `${format.count(referrers, "referrer")} would refer to nothing.`}{" "}
              An index that contains it would be incomplete.
            </p>
          </Form>
        )}
      </Show>
    </>
  )
}

export const Actions = (props: Props) => (
  <Section title="Change">
    <Lazy summary="Add a tag">{() => <AddTag {...props} />}</Lazy>
    <Lazy summary="Copy to another repository">{() => <Copy {...props} />}</Lazy>
    <Lazy summary="Attach annotations">{() => <Annotate {...props} />}</Lazy>
    <Lazy summary="Delete">{() => <Delete {...props} />}</Lazy>
  </Section>
)
