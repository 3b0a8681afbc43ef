"""Currencies: ISO 4217 codes and the names people and systems write.

A row is `code|names…`: English, Chinese (simplified, traditional), other usual names, and
Kingdee's PRE001.  Ambiguous signs and names ($, ¥, 元, dollar) are left out on purpose.
Generated from CLDR with babel, the usual names added by hand.
"""

ROWS = """
AED|United Arab Emirates Dirham|阿联酋迪拉姆|阿拉伯聯合大公國迪爾汗
AFN|Afghan Afghani|阿富汗尼
ALL|Albanian Lek|阿尔巴尼亚列克|阿爾巴尼亞列克
AMD|Armenian Dram|亚美尼亚德拉姆|亞美尼亞德拉姆
AOA|Angolan Kwanza|安哥拉宽扎|安哥拉寬扎
ARS|Argentine Peso|阿根廷比索|阿根廷披索
AUD|Australian Dollar|澳大利亚元|澳幣|澳元|澳币|A$
AWG|Aruban Florin|阿鲁巴弗罗林|阿路巴盾
AZN|Azerbaijani Manat|阿塞拜疆马纳特|亞塞拜然馬納特
BAM|Bosnia-Herzegovina Convertible Mark|波斯尼亚-黑塞哥维那可兑换马克|
  波士尼亞-赫塞哥維納可轉換馬克
BBD|Barbadian Dollar|巴巴多斯元|巴貝多元
BDT|Bangladeshi Taka|孟加拉塔卡
BGN|Bulgarian Lev|保加利亚列弗|保加利亞新列弗
BHD|Bahraini Dinar|巴林第纳尔|巴林第納爾
BIF|Burundian Franc|布隆迪法郎|蒲隆地法郎
BMD|Bermudan Dollar|百慕大元|百慕達幣
BND|Brunei Dollar|文莱元|汶萊元
BOB|Bolivian Boliviano|玻利维亚诺|玻利維亞諾
BOV|Bolivian Mvdol|玻利维亚 Mvdol（资金）|玻利維亞幕多
BRL|Brazilian Real|巴西雷亚尔|巴西雷亞爾|雷亚尔|R$
BSD|Bahamian Dollar|巴哈马元|巴哈馬元
BTN|Bhutanese Ngultrum|不丹努尔特鲁姆|不丹那特倫
BWP|Botswanan Pula|博茨瓦纳普拉|波札那普拉
BYN|Belarusian Ruble|白俄罗斯卢布|白俄羅斯盧布
BZD|Belize Dollar|伯利兹元|貝里斯元
CAD|Canadian Dollar|加拿大元|加幣|加元|加币|C$
CDF|Congolese Franc|刚果法郎|剛果法郎
CHE|WIR Euro|欧元 (WIR)|歐元 (WIR)
CHF|Swiss Franc|瑞士法郎|瑞郎
CHW|WIR Franc|法郎 (WIR)
CLF|Chilean Unit of Account (UF)|智利（资金）|卡林油達佛曼跎
CLP|Chilean Peso|智利比索|智利披索
CNH|Chinese Yuan (offshore)|人民币（离岸）|人民幣（離岸）
CNY|Chinese Yuan|人民币|人民幣|RMB|人民币元|PRE001|Yuan|Renminbi
COP|Colombian Peso|哥伦比亚比索|哥倫比亞披索
COU|Colombian Real Value Unit|哥伦比亚币|哥倫比亞幣 (COU)
CRC|Costa Rican Colón|哥斯达黎加科朗|哥斯大黎加科朗
CUP|Cuban Peso|古巴比索|古巴披索
CVE|Cape Verdean Escudo|佛得角埃斯库多|維德角埃斯庫多
CZK|Czech Koruna|捷克克朗
DJF|Djiboutian Franc|吉布提法郎|吉布地法郎
DKK|Danish Krone|丹麦克朗|丹麥克朗
DOP|Dominican Peso|多米尼加比索|多明尼加披索
DZD|Algerian Dinar|阿尔及利亚第纳尔|阿爾及利亞第納爾
EGP|Egyptian Pound|埃及镑|埃及鎊
ERN|Eritrean Nakfa|厄立特里亚纳克法|厄立特里亞納克法
ETB|Ethiopian Birr|埃塞俄比亚比尔|衣索比亞比爾
EUR|Euro|欧元|歐元|€
FJD|Fijian Dollar|斐济元|斐濟元
FKP|Falkland Islands Pound|福克兰群岛镑|福克蘭群島鎊
GBP|British Pound|英镑|英鎊|£|Pound Sterling
GEL|Georgian Lari|格鲁吉亚拉里|喬治亞拉里
GHS|Ghanaian Cedi|加纳塞地|迦納塞地
GIP|Gibraltar Pound|直布罗陀镑|直布羅陀鎊
GMD|Gambian Dalasi|冈比亚达拉西|甘比亞達拉西
GNF|Guinean Franc|几内亚法郎|幾內亞法郎
GTQ|Guatemalan Quetzal|危地马拉格查尔|瓜地馬拉格查爾
GYD|Guyanaese Dollar|圭亚那元|圭亞那元
HKD|Hong Kong Dollar|港元|港幣|港币|HK$
HNL|Honduran Lempira|洪都拉斯伦皮拉|洪都拉斯倫皮拉
HRK|Croatian Kuna|克罗地亚库纳|克羅埃西亞庫納
HTG|Haitian Gourde|海地古德
HUF|Hungarian Forint|匈牙利福林
IDR|Indonesian Rupiah|印度尼西亚卢比|印尼盾|印尼卢比
ILS|Israeli New Shekel|以色列新谢克尔|以色列新謝克爾
INR|Indian Rupee|印度卢比|印度盧比|₹
IQD|Iraqi Dinar|伊拉克第纳尔|伊拉克第納爾
IRR|Iranian Rial|伊朗里亚尔|伊朗里亞爾
ISK|Icelandic Króna|冰岛克朗|冰島克朗
JMD|Jamaican Dollar|牙买加元|牙買加元
JOD|Jordanian Dinar|约旦第纳尔|約旦第納爾
JPY|Japanese Yen|日元|日圓|日圆|日円|円|Yen
KES|Kenyan Shilling|肯尼亚先令|肯尼亞先令
KGS|Kyrgystani Som|吉尔吉斯斯坦索姆|吉爾吉斯索姆
KHR|Cambodian Riel|柬埔寨瑞尔|柬埔寨瑞爾
KMF|Comorian Franc|科摩罗法郎|科摩羅法郎
KPW|North Korean Won|朝鲜元|北韓元
KRW|South Korean Won|韩元|韓元|韩币|₩|韩圆
KWD|Kuwaiti Dinar|科威特第纳尔|科威特第納爾
KYD|Cayman Islands Dollar|开曼元|開曼群島元
KZT|Kazakhstani Tenge|哈萨克斯坦坚戈|哈薩克堅戈
LAK|Laotian Kip|老挝基普|寮國基普
LBP|Lebanese Pound|黎巴嫩镑|黎巴嫩鎊
LKR|Sri Lankan Rupee|斯里兰卡卢比|斯里蘭卡盧比
LRD|Liberian Dollar|利比里亚元|賴比瑞亞元
LSL|Lesotho Loti|莱索托洛蒂|賴索托洛蒂
LYD|Libyan Dinar|利比亚第纳尔|利比亞第納爾
MAD|Moroccan Dirham|摩洛哥迪拉姆
MDL|Moldovan Leu|摩尔多瓦列伊|摩杜雲列伊
MGA|Malagasy Ariary|马达加斯加阿里亚里|馬達加斯加阿里亞里
MKD|Macedonian Denar|马其顿第纳尔|馬其頓第納爾
MMK|Myanmar Kyat|缅甸元|緬甸元
MNT|Mongolian Tugrik|蒙古图格里克|蒙古圖格里克
MOP|Macanese Pataca|澳门币|澳門元|澳门元
MRU|Mauritanian Ouguiya|毛里塔尼亚乌吉亚|茅利塔尼亞烏吉亞
MUR|Mauritian Rupee|毛里求斯卢比|模里西斯盧比
MVR|Maldivian Rufiyaa|马尔代夫卢菲亚|馬爾地夫盧非亞
MWK|Malawian Kwacha|马拉维克瓦查|馬拉維克瓦查
MXN|Mexican Peso|墨西哥比索|墨西哥披索
MXV|Mexican Investment Unit|墨西哥（资金）|墨西哥轉換單位 (UDI)
MYR|Malaysian Ringgit|马来西亚林吉特|馬來西亞令吉|马币|令吉
MZN|Mozambican Metical|莫桑比克美提卡|莫三比克梅蒂卡爾
NAD|Namibian Dollar|纳米比亚元|納米比亞元
NGN|Nigerian Naira|尼日利亚奈拉|奈及利亞奈拉
NIO|Nicaraguan Córdoba|尼加拉瓜科多巴|尼加拉瓜金科多巴
NOK|Norwegian Krone|挪威克朗
NPR|Nepalese Rupee|尼泊尔卢比|尼泊爾盧比
NZD|New Zealand Dollar|新西兰元|紐西蘭幣|纽元
OMR|Omani Rial|阿曼里亚尔|阿曼里亞爾
PAB|Panamanian Balboa|巴拿马巴波亚|巴拿馬巴波亞
PEN|Peruvian Sol|秘鲁索尔|秘魯太陽幣
PGK|Papua New Guinean Kina|巴布亚新几内亚基那|巴布亞紐幾內亞基那
PHP|Philippine Peso|菲律宾比索|菲律賓披索|₱
PKR|Pakistani Rupee|巴基斯坦卢比|巴基斯坦盧比
PLN|Polish Zloty|波兰兹罗提|波蘭茲羅提|兹罗提
PYG|Paraguayan Guarani|巴拉圭瓜拉尼
QAR|Qatari Riyal|卡塔尔里亚尔|卡達里亞爾
RON|Romanian Leu|罗马尼亚列伊|羅馬尼亞列伊
RSD|Serbian Dinar|塞尔维亚第纳尔|塞爾維亞戴納
RUB|Russian Ruble|俄罗斯卢布|俄羅斯盧布|Ruble|₽
RWF|Rwandan Franc|卢旺达法郎|盧安達法郎
SAR|Saudi Riyal|沙特里亚尔|沙烏地里亞爾
SBD|Solomon Islands Dollar|所罗门群岛元|索羅門群島元
SCR|Seychellois Rupee|塞舌尔卢比|塞席爾盧比
SDG|Sudanese Pound|苏丹镑|蘇丹鎊
SEK|Swedish Krona|瑞典克朗
SGD|Singapore Dollar|新加坡元|新加坡幣|新币|坡币|S$
SHP|St. Helena Pound|圣赫勒拿群岛磅|聖赫勒拿鎊
SLE|Sierra Leonean Leone|塞拉利昂新利昂|獅子山利昂
SOS|Somali Shilling|索马里先令|索馬利亞先令
SRD|Surinamese Dollar|苏里南元|蘇利南元
SSP|South Sudanese Pound|南苏丹镑|南蘇丹鎊
STN|São Tomé & Príncipe Dobra|圣多美和普林西比多布拉|聖多美島和普林西比島多布拉
SYP|Syrian Pound|叙利亚镑|敘利亞鎊
SZL|Swazi Lilangeni|斯威士兰里兰吉尼|史瓦帝尼朗吉尼
THB|Thai Baht|泰铢|泰銖|泰国铢|Baht|฿
TJS|Tajikistani Somoni|塔吉克斯坦索莫尼|塔吉克索莫尼
TMT|Turkmenistani Manat|土库曼斯坦马纳特|土庫曼馬納特
TND|Tunisian Dinar|突尼斯第纳尔|突尼西亞第納爾
TOP|Tongan Paʻanga|汤加潘加|東加潘加
TRY|Turkish Lira|土耳其里拉|₺
TTD|Trinidad & Tobago Dollar|特立尼达和多巴哥元|千里達及托巴哥元
TWD|New Taiwan Dollar|新台币|新台幣|台币|NTD|NT$|新臺幣
TZS|Tanzanian Shilling|坦桑尼亚先令|坦尚尼亞先令
UAH|Ukrainian Hryvnia|乌克兰格里夫纳|烏克蘭格里夫納
UGX|Ugandan Shilling|乌干达先令|烏干達先令
USD|US Dollar|美元|美金|US$
USN|US Dollar (Next day)|美元（次日）
UYI|Uruguayan Peso (Indexed Units)|乌拉圭比索（索引单位）|烏拉圭披索（指數單位）
UYU|Uruguayan Peso|乌拉圭比索|烏拉圭披索
UYW|Uruguayan Nominal Wage Index Unit|乌拉圭票面工资指数单位
UZS|Uzbekistani Som|乌兹别克斯坦苏姆|烏茲別克索姆
VED|Bolívar Soberano|委内瑞拉主权币
VES|Venezuelan Bolívar|委内瑞拉玻利瓦尔|委內瑞拉玻利瓦
VND|Vietnamese Dong|越南盾|₫
VUV|Vanuatu Vatu|瓦努阿图瓦图|萬那杜瓦圖
WST|Samoan Tala|萨摩亚塔拉|西薩摩亞塔拉
XAF|Central African CFA Franc|中非法郎|法郎 (CFA–BEAC)
XAG|Silver|银|白銀
XAU|Gold|黄金|黃金
XCD|East Caribbean Dollar|东加勒比元|格瑞那達元
XCG|Caribbean guilder
XDR|Special Drawing Rights|特别提款权|特殊提款權
XOF|West African CFA Franc|西非法郎|法郎 (CFA–BCEAO)
XPF|CFP Franc|太平洋法郎|法郎 (CFP)
YER|Yemeni Rial|也门里亚尔|葉門里亞爾
ZAR|South African Rand|南非兰特|南非蘭特|兰特
ZMW|Zambian Kwacha|赞比亚克瓦查|尚比亞克瓦查
ZWG|Zimbabwean Gold
"""

_NO_DIGITS = """
BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF
"""
_THREE_DIGITS = "BHD IQD JOD KWD LYD OMR TND"

# ISO 4217 exponents other than 2.
DIGITS = {
    **dict.fromkeys(_NO_DIGITS.split(), 0),
    **dict.fromkeys(_THREE_DIGITS.split(" "), 3),
    **{"CLF": 4, "UYW": 4},
}
