/** What a user can change about a manifest: what the registry allows, as far as the page knows. */
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
import { Failure, Lazy, MayMove, Refusals, Section, Show, Waiting } from "./parts.js"
import { attempt, useRights } from "./rights.js"
import type { Rights } from "./rights.js"
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
        Either.map(parsedTag(field("tag")), (tag) => {
          const target = { repository, tag, mayMove: field("move") !== "" }
          return Effect.as(
            attempt(connection, repository, "push", changes.tag(connection, target, loaded)),
            <>
              Done: <a href={link({ repository, tag })}>{repository}:{tag}</a>
            </>
          )
        })}
    >
      <label>
        Tag <input name="tag" required autocapitalize="none" placeholder="latest" />
      </label>
      <MayMove />
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
            Either.map(parsedTag(field("tag")), (tag) => {
              const target = { repository: to, tag, mayMove: field("move") !== "" }
              return Effect.as(
                attempt(connection, to, "push", changes.copy(connection, repository, target, loaded, setDone)),
                <>
                  Copied: <a href={link({ repository: to, tag })}>{to}:{tag}</a>
                </>
              )
            })
        )}
    >
      <label>
        To the repository <input name="to" required autocapitalize="none" placeholder="team/copy" />
      </label>
      <label>
        Tag <input name="tag" required autocapitalize="none" defaultValue={Digests.is(reference) ? "" : reference} />
      </label>
      <MayMove />
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
            attempt(
              connection,
              repository,
              "push",
              changes.annotate(connection, repository, manifest.descriptor, field("type").trim(), annotations)
            ),
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

/** The link that leads on when something is deleted. */
const Gone = ({ repository }: { readonly repository: RepositoryName.RepositoryName }) => (
  <>
    Deleted. <a href={useLink()({ repository })}>Back to {repository}</a>
  </>
)

const DeleteTag = (
  { repository, tag }: { readonly repository: RepositoryName.RepositoryName; readonly tag: Tag.Tag }
) => {
  const { connection } = useApp()
  const action = useAction<ComponentChildren>()
  return (
    <Form
      action={action}
      submit={`Delete the tag ${tag}`}
      isDangerous
      make={() =>
        Either.right(Effect.as(
          attempt(connection, repository, "deleteTag", connection.registry.deleteTag(repository, tag)),
          <Gone repository={repository} />
        ))}
    >
      <p>Deletes only the name. The manifest stays, with its digest and its other tags.</p>
    </Form>
  )
}

const DeleteManifest = ({ loaded: { manifest: { descriptor: { digest } } }, repository }: Props) => {
  const { connection } = useApp()
  const action = useAction<ComponentChildren>()
  const live = useLive(`loss ${digest}`, () => changes.lossOf(connection, repository, digest))
  return (
    <Show live={live} waiting="Finding out what else goes">
      {({ isPartial, referrers, tags }) => (
        <Form
          action={action}
          submit="Delete the manifest"
          isDangerous
          make={() =>
            Either.right(Effect.as(
              attempt(connection, repository, "deleteManifest", connection.registry.deleteManifest(repository, digest)),
              <Gone repository={repository} />
            ))}
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
  )
}

const Offered = ({ rights, ...props }: Props & { readonly rights: Rights }) => {
  const tag = Digests.is(props.reference) ? undefined : props.reference
  const refusals = {
    push: rights("push"),
    deleteTag: tag === undefined ? undefined : rights("deleteTag"),
    deleteManifest: rights("deleteManifest")
  }
  const canDeleteTag = tag !== undefined && refusals.deleteTag === undefined
  const canDeleteManifest = refusals.deleteManifest === undefined
  return (
    <>
      {refusals.push === undefined && <Lazy summary="Add a tag">{() => <AddTag {...props} />}</Lazy>}
      <Lazy summary="Copy to another repository">{() => <Copy {...props} />}</Lazy>
      {refusals.push === undefined && <Lazy summary="Attach annotations">{() => <Annotate {...props} />}</Lazy>}
      {(canDeleteTag || canDeleteManifest) && (
        <Lazy summary="Delete">
          {() => (
            <>
              {canDeleteTag && <DeleteTag repository={props.repository} tag={tag} />}
              {canDeleteManifest && <DeleteManifest {...props} />}
            </>
          )}
        </Lazy>
      )}
      <Refusals>{Object.values(refusals)}</Refusals>
    </>
  )
}

export const Actions = (props: Props) => {
  const rights = useRights(props.repository)
  return (
    <Section title="Change">
      {rights === undefined
        ? <Waiting>Finding out what you may change</Waiting>
        : <Offered {...props} rights={rights} />}
    </Section>
  )
}
