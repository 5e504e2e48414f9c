import ast,sys,collections
from pathlib import Path
root=Path(sys.argv[1])/'src/quorate'
FL={'host':[['server'],['admin_api'],['monitoring'],['admin','public'],['eventlog','activation','https'],['identity','publication','forecast','process','firewall'],['settings','store']],
'cli':[['main'],['slmgr','doctor'],['client','host'],['services','publisher','demo','simulate','first_run'],['common'],['application']],
'client':[['client','doctor'],['attempt','settings'],['storage','transport'],['identity','discovery']]}
for pkg,fl in FL.items():
    lev={r:len(fl)-i for i,rs in enumerate(fl) for r in rs}
    for f in (root/pkg).rglob('*.py'):
        rel=f.relative_to(root/pkg); room=rel.parts[0].removesuffix('.py')
        if room=='__init__': continue
        if room not in lev: print('no floor',pkg,room); lev[room]=0
        for n in ast.walk(ast.parse(f.read_text())):
            if isinstance(n,ast.ImportFrom) and n.module and n.module.startswith(f'quorate.{pkg}.'):
                t=n.module.split('.')[2]
            elif isinstance(n,ast.ImportFrom) and n.module==f'quorate.{pkg}':
                t=n.names[0].name
            else: continue
            if t!=room and not lev.get(t,99)<lev[room]: print(f'{pkg}/{rel}:{n.lineno}: {room}({lev[room]}) -> {t}({lev.get(t)})  {n.module} {[a.name for a in n.names]}')
