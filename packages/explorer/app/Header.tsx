/** The header: where the user is, the field that opens something else, and who is logged in. */
import * as Either from "effect/Either"
import { useEffect, useRef, useState } from "preact/hooks"
import { useApp, useLink } from "./app.js"
import * as fields from "./fields.js"
import * as format from "./format.js"
import { LogIn } from "./LogIn.js"
import { Name } from "./parts.js"
import * as route from "./route.js"

/** The path to the view: the registry, the folders and the name of the repository, and the manifest. */
const Path = () => {
  const { connection, place: { digest, repository, tag } } = useApp()
  const link = useLink()
  const reference = digest === undefined ? tag : `${tag === undefined ? "" : `${tag}@`}${format.digest(digest)}`
  return (
    <nav aria-label="Path" class="path">
      <ol>
        <li>
          <a href={link({})} aria-current={repository === undefined ? "page" : undefined}>{connection.host}</a>
        </li>
        {repository !== undefined && (
          <li>
            <a href={link({ repository })} aria-current={reference === undefined ? "page" : undefined}>
              <Name>{repository}</Name>
            </a>
          </li>
        )}
        {reference !== undefined && (
          <li>
            <a href={link({ repository, tag, digest })} aria-current="page">
              <Name>{reference}</Name>
            </a>
          </li>
        )}
      </ol>
    </nav>
  )
}

const Open = () => {
  const { home, place } = useApp()
  const [problem, setProblem] = useState<string>()
  const submit = (event: SubmitEvent) => {
    const form = event.currentTarget as HTMLFormElement
    const opened = route.open(fields.read(event)("reference"), place.registry, home)
    setProblem(Either.isLeft(opened) ? opened.left : undefined)
    if (Either.isLeft(opened)) return
    location.hash = route.format(opened.right, home)
    form.reset()
  }
  return (
    <form class="open" role="search" aria-label="Open" onSubmit={submit}>
      <input
        name="reference"
        aria-label="Open a repository, a tag, a digest or another registry"
        placeholder="Open team/app:v1 or https://registry.example.com"
        autocapitalize="none"
        spellcheck={false}
        required
        aria-invalid={problem !== undefined}
        aria-describedby="open-problem"
      />
      <button type="submit">Open</button>
      <p id="open-problem" class="problem" role="alert">{problem === undefined ? "" : format.plain(problem)}</p>
    </form>
  )
}

const User = () => {
  const { connection, logIn } = useApp()
  const [isOpen, setOpen] = useState(false)
  const popup = useRef<HTMLDivElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  useEffect(() => popup.current?.querySelector("input")?.focus(), [isOpen])
  const close = () => {
    setOpen(false)
    button.current?.focus()
  }
  if (connection.username !== undefined) {
    return (
      <div class="user">
        <span>{connection.username}</span> <button type="button" onClick={() => logIn(undefined)}>Log out</button>
      </div>
    )
  }
  return (
    <div class="user" onKeyDown={(event) => isOpen && event.key === "Escape" && close()}>
      <button type="button" ref={button} aria-expanded={isOpen} onClick={() => setOpen(!isOpen)}>Log in</button>
      {isOpen && (
        <div class="popup" ref={popup}>
          <LogIn />
        </div>
      )}
    </div>
  )
}

export const Header = () => {
  const { connection } = useApp()
  return (
    <header>
      <div class="bar">
        <Path />
        <Open />
        <User key={`${connection.origin} ${connection.username ?? ""}`} />
      </div>
    </header>
  )
}
