// Names the modules of the API as they are imported, `core/Registry` in place of `core/src/Registry`, and leaves out what
// a class has from the class or interface that it extends: that is documented there.
import { Converter, ReflectionKind } from "typedoc"

/** @param {import("typedoc").Application} app */
export const load = (app) => {
  app.converter.on(Converter.EVENT_CREATE_DECLARATION, (_context, reflection) => {
    if (!reflection.kindOf(ReflectionKind.Module)) return
    reflection.name = reflection.name.replace(/^(?:packages\/)?([^/]+)\/src\//, "$1/")
  })
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const reflection of Object.values(project.reflections)) {
      const isInherited = reflection.inheritedFrom !== undefined ||
        (reflection.kindOf(ReflectionKind.Constructor) && reflection.signatures?.[0]?.inheritedFrom !== undefined)
      if (isInherited) project.removeReflection(reflection)
    }
  })
}
