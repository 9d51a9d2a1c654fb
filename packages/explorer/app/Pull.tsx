/** The commands that pull a manifest. */
import type { Digest } from "@effect-oci/core/Digest"
import type * as Operation from "@effect-oci/core/Operation"
import type { RepositoryName } from "@effect-oci/core/RepositoryName"
import { useState } from "preact/hooks"
import { useApp } from "./app.js"
import { Copy, Section } from "./parts.js"

const programs = ["docker", "skopeo", "crane", "oras", "effect-oci"] as const
type Program = typeof programs[number]

/** Names and digests contain no character that a shell would interpret: their grammars do not allow any. */
const commandOf = (program: Program, name: string, isPlain: boolean): string => {
  switch (program) {
    case "docker":
      return `docker pull ${name}`
    case "skopeo":
      return `skopeo copy ${isPlain ? "--src-tls-verify=false " : ""}docker://${name} oci:image`
    case "crane":
      return `crane pull ${isPlain ? "--insecure " : ""}${name} image.tar`
    case "oras":
      return `oras pull ${isPlain ? "--plain-http " : ""}${name}`
    case "effect-oci":
      return `npm run copy -- ${isPlain ? "--plain-http " : ""}${name} oci:./image`
  }
}

export const Pull = (
  { digest, isArtifact, reference, repository }: {
    readonly repository: RepositoryName
    readonly reference: Operation.TagOrDigest
    readonly digest: Digest
    /** Whether the manifest is not an image, so that docker cannot pull it. */
    readonly isArtifact: boolean
  }
) => {
  const { connection: { host, origin } } = useApp()
  const [program, setProgram] = useState<Program>(isArtifact ? "oras" : "docker")
  const [isPinned, setPinned] = useState(false)
  const isTag = !reference.includes(":")
  const name = `${host}/${repository}${isTag && !isPinned ? `:${reference}` : `@${digest}`}`
  const command = commandOf(program, name, origin.startsWith("http:"))
  return (
    <Section title="Pull">
      <div class="command">
        <code>{command}</code> <Copy text={command} label="the command" />
      </div>
      <div class="choices">
        <fieldset>
          <legend>With</legend>
          {programs.filter((each) => each !== "docker" || !isArtifact).map((each) => (
            <label key={each}>
              <input type="radio" name="program" checked={program === each} onChange={() => setProgram(each)} /> {each}
            </label>
          ))}
        </fieldset>
        {isTag && (
          <label>
            <input type="checkbox" checked={isPinned} onChange={(event) => setPinned(event.currentTarget.checked)} />
            {" "}
            by digest, which never moves
          </label>
        )}
      </div>
    </Section>
  )
}
