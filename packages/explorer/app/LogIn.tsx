/** The form for a user name and a password. */
import { RealmRefused } from "@effect-oci/core/RegistryError"
import * as Exit from "effect/Exit"
import { useEffect, useRef, useState } from "preact/hooks"
import { useApp } from "./app.js"
import { check, run } from "./connection.js"
import type { Login } from "./connection.js"
import { explain, kindOf } from "./explain.js"
import type { Failed } from "./explain.js"
import * as fields from "./fields.js"
import { errorOf } from "./live.js"
import { Text } from "./Text.js"

interface Problem {
  readonly text: string
  /** The token server that the user has to allow. */
  readonly realm?: string | undefined
}

const problemOf = (error: Failed, origin: string): Problem => {
  if (error instanceof RealmRefused) return { text: "", realm: error.realm }
  if (kindOf(error) === "OciUnauthorized" || kindOf(error) === "OciDenied") {
    return { text: "The registry does not accept this user name and password." }
  }
  const { advice, what } = explain(error, origin)
  return { text: `${what} ${advice}` }
}

const originOf = (realm: string): string => URL.canParse(realm) ? new URL(realm).origin : realm

/** Logs in. `realm` is the token server that the registry named. */
export const LogIn = ({ realm: known }: { readonly realm?: string | undefined }) => {
  const { connection, home, logIn } = useApp()
  const [problem, setProblem] = useState<Problem | undefined>(
    known === undefined ? undefined : { text: "", realm: known }
  )
  const [isChecking, setChecking] = useState(false)
  const stop = useRef(() => {})
  useEffect(() => () => stop.current(), [])
  const realm = problem?.realm

  // The browser keeps passwords for the origin of the page, and must not fill them in for another registry.
  const isOwn = connection.origin === home

  const submit = (event: SubmitEvent) => {
    const field = fields.read(event)
    const login: Login = {
      username: field("username"),
      password: field("password"),
      trustedRealms: realm !== undefined && field("trust") !== "" ? [originOf(realm)] : []
    }
    setChecking(true)
    stop.current = run(check(connection.origin, login), (exit) => {
      setChecking(false)
      if (Exit.isSuccess(exit)) logIn(login)
      else setProblem(problemOf(errorOf(exit.cause), connection.origin))
    })
  }

  return (
    <form class="login" onSubmit={submit}>
      <p>
        Log in to <strong>{connection.host}</strong>. The page keeps the password only until it is closed.
      </p>
      <label>
        User name <input name="username" autocomplete={isOwn ? "username" : "off"} autocapitalize="none" required />
      </label>
      <label>
        Password or token{" "}
        <input name="password" type="password" autocomplete={isOwn ? "current-password" : "new-password"} required />
      </label>
      {realm !== undefined && (
        <label class="check">
          <input name="trust" type="checkbox" required /> Send the password to{" "}
          <strong class="mono">
            <Text>{originOf(realm)}</Text>
          </strong>, which this registry names as its token server
        </label>
      )}
      {problem !== undefined && problem.text !== "" && <p class="problem" role="alert">{problem.text}</p>}
      <button type="submit" class="primary" disabled={isChecking}>{isChecking ? "Logging in…" : "Log in"}</button>
    </form>
  )
}
